package matrixtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// How a registry lets clients in.
const (
	open     = "open"
	password = "password"
	token    = "token service"
)

// What logs in.
const user, secret = "robot", "s3cret-word"

// way is how one registry is reached.
type way struct {
	secure bool
	login  string
}

func (w way) String() string {
	if w.secure {
		return "TLS, " + w.login
	}
	return "plain HTTP, " + w.login
}

// ways are the columns of the table.
func ways() (list []way) {
	for _, secure := range []bool{false, true} {
		for _, login := range []string{open, password, token} {
			list = append(list, way{secure, login})
		}
	}
	return list
}

// site is what a way needs: certificates, a file of passwords, a token service.
type site struct {
	way
	authority     *registrytest.Authority
	cert, key     string // PEM files, of the registry
	htpasswd      string
	realm, signer string // address of the token service, and its certificate
	tokens        *tokens
}

func newSite(t *testing.T, w way) *site {
	t.Helper()
	s := &site{way: w, authority: registrytest.NewAuthority(t)}
	s.cert, s.key = s.authority.Issue(t, "127.0.0.1", time.Now().Add(time.Hour))
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s.htpasswd = write(t, "htpasswd", fmt.Appendf(nil, "%s:%s\n", user, hash))
	if w.login == token {
		s.tokens = newTokens(t)
		s.signer = s.tokens.file
		s.realm = s.serve(t, s.tokens) + "/token"
	}
	return s
}

func write(t *testing.T, name string, body []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// serve gives the address of a handler, by the site's scheme.
func (s *site) serve(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if s.secure {
		pair, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			t.Fatal(err)
		}
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

// authfile is the credential for a registry.
func (s *site) authfile(t *testing.T, host string) string {
	t.Helper()
	auths := map[string]any{}
	if s.login != open {
		auths[host] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))}
	}
	body, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "auth.json", body)
}

// gate is a proxy that asks for a login, in front of registries that have none.
func (s *site) gate(next http.Handler) http.Handler {
	name := regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags|referrers)/`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		challenge := `Basic realm="test"`
		good := s.login == open || s.login == password && u == user && p == secret
		if s.login == token {
			actions, repo := "pull", ""
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				actions = "pull,push,delete"
			}
			if m := name.FindStringSubmatch(r.URL.Path); m != nil {
				repo = m[1]
			}
			good = s.tokens.covers(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), repo, actions)
			challenge = fmt.Sprintf(`Bearer realm=%q,service="test",scope="repository:%s:%s"`, s.realm, repo, actions)
		}
		if !good {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tokens is a token service as the Docker registry's token specification has it.
type tokens struct {
	key  *rsa.PrivateKey
	der  []byte // its certificate
	file string // the same, PEM
}

func newTokens(t *testing.T) *tokens {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tokens"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tokens{key, der, write(t, "tokens.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// access is one entry of a token's claim.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (ts *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u, p, _ := r.BasicAuth(); u != user || p != secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	list := []access{}
	for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
		if part := strings.SplitN(scope, ":", 3); len(part) == 3 {
			list = append(list, access{part[0], part[1], strings.Split(part[2], ",")})
		}
	}
	now := time.Now().Unix()
	signed, err := ts.sign(map[string]any{"iss": "issuer", "sub": user, "aud": r.URL.Query().Get("service"), "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "1", "access": list})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, signed)
}

// sign makes a JSON web token.
func (ts *tokens) sign(claims map[string]any) (string, error) {
	head, err := json.Marshal(map[string]any{"typ": "JWT", "alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(ts.der)}})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, ts.key, crypto.SHA256, sum[:])
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), err
}

// covers reports whether a token of this service is enough.
func (ts *tokens) covers(signed, repo, actions string) bool {
	part := strings.Split(signed, ".")
	if len(part) != 3 {
		return false
	}
	body, err := base64.RawURLEncoding.DecodeString(part[1])
	var claims struct{ Access []access }
	if err != nil || json.Unmarshal(body, &claims) != nil {
		return false
	}
	for need := range strings.SplitSeq(actions, ",") {
		if repo != "" && !slices.ContainsFunc(claims.Access, func(a access) bool { return a.Name == repo && slices.Contains(a.Actions, need) }) {
			return need == "delete" // a probe that cannot clean up is no failure
		}
	}
	return true
}
