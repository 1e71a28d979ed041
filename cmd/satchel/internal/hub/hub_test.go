package hub

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestFile reads what was written, and refuses what cannot be it.
func TestFile(t *testing.T) {
	t.Parallel()
	c := ocitest.New(91)
	ref, err := oci.ParseRef("quay.io/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	want := &manifests.Hub{
		Mirror: oci.Mirror{Host: "hub.example:8443", Namespace: "ocp", MaxNestedPaths: 2, Shared: oci.Shared{Repository: "ocp", Paths: [2]string{"a/b", "a/c"}}},
		Images: []oci.Image{{Origin: "additional", Source: ref, Root: c.Image(true, c.Layer(100, ocitest.LayerGzip)), Tags: []string{"v1"}, Path: "our/place", Reasons: []oci.Reason{{Kind: "additionalImages"}}}},
		Files:  map[string][]oci.ArtifactFile{"release-signatures": {{Title: "sha256-x-1", MediaType: "text/plain", Body: []byte("message")}}},
	}
	f, _, err := Of(Bundle{ID: "aaaabbbbccccdddd"}, want, nil, false)
	if err != nil || f.Name != "hub.json" {
		t.Fatal(f.Name, err)
	}
	odd := *want
	odd.Gaps = []oci.Gap{{Image: want.Images[0], Err: errors.New("bad \u009b31m\u202e")}}
	if g, _, err := Of(Bundle{ID: "aaaabbbbccccdddd"}, &odd, nil, false); err != nil || strings.ContainsAny(string(g.Body), "\u009b\u202e") || !strings.Contains(string(g.Body), `bad \u009b31m\u202e`) {
		t.Errorf("an error as a registry words it: %v %q", err, g.Body)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "registries.conf")
	if got, _, err := Beside(conf); got != nil || err != nil {
		t.Errorf("there is none: %v, %v", got, err)
	}
	write := func(body string) (*manifests.Hub, error) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "hub.json"), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		h, _, err := Beside(conf)
		return h, err
	}
	if got, err := write(string(f.Body)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read again\n%+v, %v\n%+v", got, err, want)
	}
	for name, change := range map[string][2]string{
		"no JSON":         {`"version"`, `version`},
		"an unknown key":  {`"bundle"`, `"bundel"`},
		"another version": {"hub/1", "index/1"},
		"no mirror":       {`"hub.example:8443"`, `"../x"`},
		"a wrong digest":  {"sha256:", "sha256:zz"},
		"a wrong path":    {"our/place", "../place"},
	} {
		var bad *FileError
		if _, err := write(strings.Replace(string(f.Body), change[0], change[1], 1)); !errors.As(err, &bad) || !strings.HasSuffix(bad.File, "hub.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var newer *oci.VersionError
	if _, err := write(strings.Replace(string(f.Body), "hub/1", "hub/2", 1)); !errors.As(err, &newer) || newer.Has != "hub/2" {
		t.Errorf("a newer one: %v", err)
	}
}
