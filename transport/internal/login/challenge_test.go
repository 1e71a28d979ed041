package login

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// TestChallenges has lists of challenges as servers write them, and which is taken by
// whom: someone with a password, with an identity token, with nothing.
func TestChallenges(t *testing.T) {
	t.Parallel()
	realm := map[string]string{"realm": "https://auth.example/t", "service": "s"}
	for name, c := range map[string]struct {
		headers  []string
		password string // the scheme that is taken
		identity string
		nothing  string
		params   map[string]string // of what is taken with a password; nil: not looked at
	}{
		"one":                      {[]string{`Bearer realm="https://auth.example/t",service="s"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"Basic":                    {[]string{`Basic realm="r"`}, schemeBasic, "", "", map[string]string{"realm": "r"}},
		"Basic, no parameters":     {[]string{`Basic`}, schemeBasic, "", "", nil},
		"two headers":              {[]string{`Basic realm="r"`, `Bearer realm="https://auth.example/t",service="s"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"two in one":               {[]string{`Basic realm="r", Bearer realm="https://auth.example/t",service="s"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"two in one, turned":       {[]string{`Bearer realm="https://auth.example/t",service="s",Basic realm="r"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"Negotiate first":          {[]string{`Negotiate, Basic realm="r"`}, schemeBasic, "", "", nil},
		"a blob first":             {[]string{`NTLM TlRMTVNTUAACAAA/+a==, Negotiate YII==,Basic realm="r"`}, schemeBasic, "", "", nil},
		"no comma":                 {[]string{`Negotiate Basic realm="r"`}, schemeBasic, "", "", nil},
		"commas alone":             {[]string{`,, , Basic realm="r",`}, schemeBasic, "", "", nil},
		"capitals":                 {[]string{`BEARER REALM="https://auth.example/t" , Service = "s"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"no quotes":                {[]string{`Bearer realm=https://auth.example/t,service=s`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"no commas":                {[]string{`Bearer realm="https://auth.example/t" service="s"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"a comma in quotes":        {[]string{`Bearer realm="https://auth.example/t",service="a, Basic realm=\"x\", b"`}, schemeBearer, schemeBearer, schemeBearer, map[string]string{"realm": "https://auth.example/t", "service": `a, Basic realm="x", b`}},
		"a quote without end":      {[]string{`Bearer service="s",realm="https://auth.example/t`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"a parameter twice":        {[]string{`Bearer realm="https://auth.example/t",service="s",service="x"`}, schemeBearer, schemeBearer, schemeBearer, realm},
		"no service":               {[]string{`Bearer realm="https://auth.example/t"`}, schemeBearer, schemeBearer, schemeBearer, nil},
		"no realm":                 {[]string{`Bearer service="s"`, `Basic realm="r"`}, schemeBasic, "", "", nil},
		"a realm of another kind":  {[]string{`Bearer realm="ldap://auth.example"`, `Basic realm="r"`}, schemeBasic, "", "", nil},
		"a realm without TLS":      {[]string{`Bearer realm="http://auth.example/t"`, `Basic realm="r"`}, schemeBasic, "", "", nil},
		"a realm that is relative": {[]string{`Bearer realm="/t",service="s"`}, schemeBearer, schemeBearer, schemeBearer, nil},
		"nothing that is spoken":   {[]string{`Negotiate`, `Digest realm="x",nonce="1",qop="auth"`}, "", "", "", nil},
		"no challenge":             {[]string{`=x, "", realm="r"`, ``}, "", "", "", nil},
	} {
		list := Challenges(http.Header{"Www-Authenticate": c.headers})
		asked := &url.URL{Scheme: "https", Host: "reg.example", Path: "/v2/a/manifests/b"}
		for _, who := range []struct {
			cred auth.Credential
			want string
		}{{auth.Credential{Username: "u", Password: "p"}, c.password}, {auth.Credential{RefreshToken: "t"}, c.identity}, {auth.EmptyCredential, c.nothing}} {
			a := &Authorizer{Host: &Host{}, cred: who.cred}
			got, ok := a.answerable(list, asked)
			if got.scheme != who.want || ok != (who.want != "") {
				t.Errorf("%s, %+v: took %q, %v, want %q", name, who.cred, got.scheme, ok, who.want)
			}
			if who.cred.Password != "" && c.params != nil && !maps.Equal(got.params, c.params) {
				t.Errorf("%s: parameters %q, want %q", name, got.params, c.params)
			}
		}
	}
}

// FuzzChallenges wants an end, whatever a server writes.
func FuzzChallenges(f *testing.F) {
	f.Add(`Negotiate YII==, Bearer realm="https://auth.example/t\"",service="s" ,x`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseChallenges(s) {
			if c.name == "" {
				t.Errorf("a challenge without a scheme in %q", s)
			}
		}
	})
}
