package serve

import (
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestSeveralBundles: their union is served, and the newest of a stream says what a tag names,
// whatever the order of the directories.
func TestSeveralBundles(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2720)
	h.stream = "weekly"
	old, now := h.Image(false, h.Layer(2000, ocitest.LayerGzip)), h.Image(false, h.Layer(2000, ocitest.LayerGzip))
	only := h.Image(true, h.Layer(2000, ocitest.LayerGzip))
	first := h.pack("first", []oci.Image{image(old, "team/app", "stable", "1"), image(only, "team/only", "v1")})
	second := h.pack("second", []oci.Image{image(now, "team/app", "stable", "2")})
	for _, dirs := range [][]string{{first, second}, {second, first}} {
		s := h.serve(dirs...)
		for tag, want := range map[string]oci.Descriptor{"stable": now, "1": old, "2": now, oci.DigestTag(old.Digest): old} {
			if g := s.ask("HEAD", "/v2/team/app/manifests/"+tag); g.Header.Get("Docker-Content-Digest") != want.Digest.String() {
				t.Errorf("%s is %v", tag, g.Header)
			}
		}
		for repo, roots := range map[string][]oci.Descriptor{"team/app": {old, now}, "team/only": {only}} {
			for _, root := range roots {
				if err := ocitest.Compare(t.Context(), h.Content, root, s.server.URL, repo, oci.DigestTag(root.Digest)); err != nil {
					t.Error(err)
				}
			}
		}
		if rep := s.Report(); rep.Images != 3 || rep.Repositories != 2 || rep.Example.Tag == "" {
			t.Errorf("%+v", rep)
		}
	}
	if text := "1 tag names different images in two bundles; served as in bundle 2 of the stream weekly"; strings.Count(h.log.String(), text) != 2 {
		t.Errorf("it does not say %q:\n%s", text, h.log)
	}
}

// TestDelta: a bundle that leaves out what earlier ones brought is served with those; alone, only
// its whole images are, and nothing that is missing is ever given.
func TestDelta(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2721)
	h.stream = "weekly"
	shared := h.Layer(70<<10, ocitest.LayerGzip)
	old := h.Image(false, shared)
	first := h.pack("first", []oci.Image{image(old, "team/app", "v1")})
	base := h.reader(first)
	fresh, built, index := h.Image(false, h.Layer(3000, ocitest.LayerGzip)), h.Image(false, shared, h.Layer(4000, ocitest.LayerGzip)), h.Index(false, old, h.Image(false, h.Layer(100, ocitest.LayerTar)))
	images := []oci.Image{image(old, "team/app", "v1"), image(fresh, "team/fresh", "v1"), image(built, "team/app", "v2"), image(index, "team/list", "v1")}
	second := h.pack("second", images, base)
	if err := base.Close(); err != nil {
		t.Fatal(err)
	}

	s := h.serve(second, first)
	for _, img := range images {
		if err := ocitest.Compare(t.Context(), h.Content, img.Root, s.server.URL, img.Source.Repository, img.Tags[0]); err != nil {
			t.Error(err)
		}
	}
	if len(s.Report().LeftOut) != 0 || strings.Contains(h.log.String(), "not served") {
		t.Errorf("left out: %+v", s.Report().LeftOut)
	}

	s = h.serve(second)
	if rep := s.Report(); rep.Images != 1 || len(rep.LeftOut) != 3 {
		t.Errorf("alone: %+v", rep)
	}
	for path, status := range map[string]int{
		"/v2/team/fresh/manifests/v1": 200, "/v2/team/app/manifests/v1": 404, "/v2/team/app/manifests/v2": 404, "/v2/team/list/manifests/v1": 404,
		"/v2/team/app/blobs/" + shared.Digest.String(): 404, "/v2/team/fresh/blobs/" + shared.Digest.String(): 404,
	} {
		if g := s.ask("GET", path); g.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, g.StatusCode, status)
		}
	}
	for _, text := range []string{"not served: quay.io/team/app:v2", "not served: quay.io/team/list:v1", "bundle 1 of the stream weekly"} {
		if !strings.Contains(h.log.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, h.log)
		}
	}

	h2 := h.pack("third", []oci.Image{image(old, "team/app", "v1")}, h.reader(first))
	_, err := Open(t.Context(), []*bundle.Reader{h.reader(h2)}, h.options())
	var lacking *LackingError
	if !errors.As(err, &lacking) || !strings.Contains(lacking.Hint(), "bundle 1 of the stream weekly") {
		t.Errorf("nothing is whole: %v", err)
	}
}

// TestTagOfWhatIsLeftOut: a tag never leads to an older image because the newer one is left out.
func TestTagOfWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2724)
	h.stream = "weekly"
	shared := h.Layer(5000, ocitest.LayerGzip)
	old, between, now := h.Image(false, h.Layer(1000, ocitest.LayerTar)), h.Image(false, shared), h.Image(false, shared, h.Layer(900, ocitest.LayerTar))
	first := h.pack("first", []oci.Image{image(old, "team/app", "stable", "1")})
	second := h.pack("second", []oci.Image{image(between, "team/app", "stable", "2")})
	base := h.reader(second)
	third := h.pack("third", []oci.Image{image(now, "team/app", "stable", "3")}, base)
	if err := base.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dirs := range [][]string{{first, third}, {third, first}} {
		s := h.serve(dirs...)
		for tag, status := range map[string]int{"stable": 404, "1": 200, "3": 404, oci.DigestTag(old.Digest): 200} {
			if g := s.ask("GET", "/v2/team/app/manifests/"+tag); g.StatusCode != status {
				t.Errorf("%s: %d, want %d", tag, g.StatusCode, status)
			}
		}
		if example := s.Report().Example; example.Tag != "1" {
			t.Errorf("the example is %s", example)
		}
		if g := s.ask("GET", "/v2/team/app/tags/list"); strings.Contains(string(g.body), "stable") {
			t.Errorf("%s", g.body)
		}
	}
	if n := strings.Count(h.log.String(), "1 tag is not served, because the bundles given have only an older image for it: team/app:stable"); n != 2 {
		t.Errorf("it is said %d times:\n%s", n, h.log)
	}
	s := h.serve(third, first, second)
	if g := s.ask("HEAD", "/v2/team/app/manifests/stable"); g.Header.Get("Docker-Content-Digest") != now.Digest.String() {
		t.Errorf("with all bundles: %v", g.Header)
	}
}

// TestPlaces: repositories are those of the mirror with the same rule.
func TestPlaces(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2722)
	root := h.Image(false, h.Layer(2000, ocitest.LayerGzip))
	moved := image(root, "a/b/c/d/e", "v1")
	dir := h.pack("drive", []oci.Image{moved})
	o := h.options()
	o.Place = oci.Mirror{Host: "x", Namespace: "in/side", MaxNestedPaths: 4}
	s := h.served(o, h.reader(dir))
	if err := ocitest.Compare(t.Context(), h.Content, root, s.server.URL, o.Place.Repo(moved).Repository, "v1"); err != nil {
		t.Error(err)
	}
	if s.Report().Example.Repository != "in/side/a/b-c-d-e" {
		t.Errorf("%s", s.Report().Example)
	}
}

// TestDamagedAtTheStart: a bundle whose manifests cannot be read is not served.
func TestDamagedAtTheStart(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2723)
	dir := h.pack("drive", []oci.Image{image(h.Image(false, h.Layer(2000, ocitest.LayerGzip)), "team/app", "v1")})
	r := h.reader(dir)
	list := segmentsIn(t, dir)
	body := list[len(list)-1]
	spoil(t, body)
	_, err := Open(t.Context(), []*bundle.Reader{r}, h.options())
	var damage *bundle.DamageError
	if !errors.As(err, &damage) {
		t.Errorf("%v", err)
	}
}
