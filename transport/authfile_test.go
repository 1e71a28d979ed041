package transport

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/hostfile"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// pipe is what a shell makes of <(cat FILE): it can be read once.
func pipe(t *testing.T, content string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := w.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/dev/fd/%d", r.Fd())
}

func TestAuthfileIsAPipe(t *testing.T) {
	reg := registrytest.StartAuth(t, "user", "geheim")
	body := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, reg.Host, base64.StdEncoding.EncodeToString([]byte("user:geheim")))
	c := quick(t, Config{Authfile: pipe(t, body)})
	for _, name := range []string{"a", "b", "c/d"} {
		if has(t, c, oci.Ref{Registry: reg.Host, Repository: name}, oci.Descriptor{Digest: oci.Digest([]byte(name))}) {
			t.Errorf("an empty registry has %s", name)
		}
		login, err := c.Login(oci.Ref{Registry: reg.Host, Repository: name})
		if err != nil || login.Password != "geheim" {
			t.Errorf("%s: login %v, %v", name, login, err)
		}
	}
	// What is wrong with the file is said of it by its name, and each time.
	for content, want := range map[string]error{"": hostfile.ErrEmpty, "{": hostfile.ErrNotJSON, `{"auths":[]}`: hostfile.ErrForm} {
		path := pipe(t, content)
		bad := quick(t, Config{Authfile: path})
		for range 2 {
			_, err := bad.Repository(oci.Ref{Registry: reg.Host, Repository: "a"})
			var unread *AuthfileError
			if !errors.As(err, &unread) || unread.Path != path || !errors.Is(err, want) {
				t.Errorf("%q: %v", content, err)
			}
		}
	}
}

// TestAuthfileOfOthers: a byte order mark, and fields that Docker reads in the place of auth.
func TestAuthfileOfOthers(t *testing.T) {
	t.Parallel()
	basic := base64.StdEncoding.EncodeToString([]byte("user:geheim"))
	for entry, want := range map[string]Login{
		`{"auth":"` + basic + `"}`:                               {Username: "user", Password: "geheim"},
		`{"username":"user","password":"geheim"}`:                {Username: "user", Password: "geheim"},
		`{"username":"u","password":"p","auth":"` + basic + `"}`: {Username: "user", Password: "geheim"},
		`{"auth":"","username":"user","password":"ge:heim"}`:     {Username: "user", Password: "ge:heim"},
		`{"identitytoken":"tok"}`:                                {Token: "tok"},
		`{"username":"user"}`:                                    {},
	} {
		for _, mark := range []string{"", "\xef\xbb\xbf"} {
			content := mark + `{"auths":{"registry.example":` + entry + `}}`
			file := filepath.Join(t.TempDir(), "auth.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{file, pipe(t, content)} {
				c := NewClient(Config{Authfile: path})
				for range 2 {
					if got, err := c.Login(oci.Ref{Registry: "registry.example", Repository: "a"}); err != nil || got != want {
						t.Errorf("%q: %+v, %v", content, got, err)
					}
				}
			}
		}
	}
}

func TestCAFileIsAPipe(t *testing.T) {
	reg := registrytest.StartV3(t, true, "", "")
	ca, err := os.ReadFile(reg.CA)
	if err != nil {
		t.Fatal(err)
	}
	c := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true, CAFile: pipe(t, string(ca))})
	if has(t, c, oci.Ref{Registry: reg.Host, Repository: "a"}, oci.Descriptor{Digest: oci.Digest(nil)}) {
		t.Error("an empty registry has a")
	}
	for range 2 {
		if got, err := c.Authorities(reg.Host); err != nil || len(got) == 0 {
			t.Errorf("authorities: %q, %v", got, err)
		}
	}
}
