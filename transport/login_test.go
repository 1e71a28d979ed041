package transport

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

func TestLogin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth.json")
	auth := base64.StdEncoding.EncodeToString([]byte("robot:pa:ss"))
	body := `{"auths":{"mirror.example:5000/ocp":{"auth":"` + auth + `"}}}`
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	c := NewClient(Config{Authfile: file, TLSVerify: true})
	defer c.Close()
	for repo, want := range map[string]Login{
		"ocp/openshift/release": {Username: "robot", Password: "pa:ss"},
		"other":                 {},
	} {
		got, err := c.Login(oci.Ref{Registry: "mirror.example:5000", Repository: repo})
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", repo, got, err)
		}
	}
	var missing *AuthfileError
	none := NewClient(Config{Authfile: file + ".not"})
	if _, err := none.Login(oci.Ref{Registry: "mirror.example", Repository: "a"}); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestAuthorities(t *testing.T) {
	dir := t.TempDir()
	block := func(s string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(s)})
	}
	files := map[string][]byte{
		"site.pem":                      append([]byte("# the site's\n"), block("one")...),
		"certs/b.crt":                   block("three"),
		"certs/a.crt":                   append(block("two"), block("one")...),
		"certs/client.cert":             block("not an authority"),
		"certs/client.key":              pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}),
		"with-key.pem":                  append(block("one"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")})...),
		"certs/subdirectory/unread.crt": block("four"),
	}
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		cfg  Config
		want []string
	}{
		{Config{CAFile: filepath.Join(dir, "site.pem"), CertDir: filepath.Join(dir, "certs")}, []string{"one", "two", "three"}},
		{Config{CAFile: filepath.Join(dir, "with-key.pem"), CertDir: filepath.Join(dir, "certs", "subdirectory")}, []string{"one", "four"}},
	} {
		var want []byte
		for _, s := range c.want {
			want = append(want, block(s)...)
		}
		if got, err := NewClient(c.cfg).Authorities("mirror.example:5000"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: got %s, %v", c.cfg, got, err)
		}
	}
	var conf *ConfigError
	if _, err := NewClient(Config{CAFile: filepath.Join(dir, "certs", "client.key"), CertDir: dir}).Authorities("m"); !errors.As(err, &conf) {
		t.Errorf("a key instead of authorities: %v", err)
	}
	if _, err := NewClient(Config{CAFile: filepath.Join(dir, "none.pem"), CertDir: dir}).Authorities("m"); !errors.As(err, &conf) {
		t.Errorf("got %v", err)
	}
}
