package pack_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/readmetest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// mirror is a registry that README.txt's lines push into.
type mirror struct {
	host, ca, conf string // conf: what OUT/curl.conf has
	below          string // before the image's own
	kinds          string // of images that are pushed; "" for all but the slow one
}

// mirrors are registries with a password, with TLS, and with a token service. The files of
// curl are those of README.txt, without what the registry does not ask for.
func (o *opened) mirrors(t *testing.T) map[string]mirror {
	t.Helper()
	lines := strings.SplitAfter(o.groups[6], "\n")
	login := readmetest.Fill(lines[0], map[string]string{"USER": "jane", "PASSWORD": "geheim"})
	secure := registrytest.StartV3(t, true, "jane", "geheim")
	return map[string]mirror{
		"docker-registry":          {host: registrytest.StartAuth(t, "jane", "geheim").Host, conf: login},
		"distribution v3 with TLS": {host: secure.Host, ca: secure.CA, conf: login + readmetest.Fill(lines[1], map[string]string{"FILE": secure.CA}), below: "ocp/", kinds: "docker-list nested"},
		"token service":            {host: startTokens(t, "jane", "geheim"), conf: login, below: "ocp/", kinds: "docker-list artifact"},
		"open":                     {host: registrytest.StartV3(t, false, "", "").Host, kinds: "docker artifact"},
	}
}

// images are those that are pushed into the mirror.
func (m mirror) images(all []oci.Image) (list []oci.Image) {
	kinds := strings.Fields(cmp.Or(m.kinds, "docker docker-list oci oci-zstd index nested artifact"))
	for _, img := range all {
		if slices.Contains(kinds, path.Base(img.Source.Repository)) {
			list = append(list, img)
		}
	}
	return list
}

// startTokens runs a registry with a token service, which gives a token for one repository.
func startTokens(t *testing.T, user, password string) string {
	t.Helper()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	repository := regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/`)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			u, pw, _ := r.BasicAuth()
			if q := r.URL.Query(); u != user || pw != password || q.Get("service") != "a service" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
			} else {
				_, _ = fmt.Fprintf(w, "{\n \"token\" : %q,\n \"access_token\": \"\" }", "for-"+q.Get("scope"))
			}
			return true
		}
		if m := repository.FindStringSubmatch(r.URL.Path); m != nil && strings.HasPrefix(r.Header.Get("Authorization"), "Bearer for-repository:"+m[1]+":pull") {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="a service"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	return p.Host
}

// client asks a mirror as satchel does.
func (m mirror) client(t *testing.T) *transport.Client {
	t.Helper()
	auth := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(auth, []byte(`{"auths":{"`+m.host+`":{"auth":"amFuZTpnZWhlaW0="}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := transport.NewClient(transport.Config{Authfile: auth, TLSVerify: m.ca != "", CAFile: m.ca})
	t.Cleanup(c.Close)
	return c
}

// pushByCurl pushes every kind of image by the loop in README.txt.
func (o *opened) pushByCurl(t *testing.T) {
	for name, m := range o.mirrors(t) {
		if err := os.WriteFile(filepath.Join(o.out, "curl.conf"), []byte(m.conf), 0o600); err != nil {
			t.Fatal(err)
		}
		words := map[string]string{"HOST": m.host}
		if m.ca == "" {
			words["https"] = "http"
		}
		loop, last, _ := strings.Cut(o.groups[7], "    push DIGEST PATH TAG\n")
		for _, img := range m.images(o.images) {
			loop += fmt.Sprintf("    push %s %s v1\n", img.Root.Digest, m.below+img.Source.Repository)
		}
		out, err := o.run(t, words, loop+last)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		c := m.client(t)
		for _, img := range m.images(o.images) {
			if path := m.below + img.Source.Repository; !strings.Contains(out, m.host+"/"+path+" has "+img.Root.Digest.String()+" as v1\n") {
				t.Errorf("%s: %s is not said to be there:\n%s", name, path, out)
			} else {
				check(t, c, m.host, path, img)
			}
		}
	}
}

// pushIsLookedAt has a registry that gives other bytes than it got: the loop says so.
func (o *opened) pushIsLookedAt(t *testing.T) {
	proxy := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	proxy.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) != "GET manifest" {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("{"), []byte(" "), 1)))
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "curl.conf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"HOST": proxy.Host, "https": "http", "PATH": "a", "TAG": "v1", "DIGEST": o.images[0].Root.Digest.String()}
	if out, err := o.run(t, words, o.groups[7]); err == nil || !strings.Contains(out, "FAILED") {
		t.Errorf("a registry that changes a manifest is believed: %v\n%s", err, out)
	}
}
