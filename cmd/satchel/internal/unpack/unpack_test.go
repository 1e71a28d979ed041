package unpack_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// site is a bundle of two images, and the mirror that it goes to.
type site struct {
	*jobtest.Bench
	reader *bundle.Reader
	roots  map[string]oci.Descriptor
	mirror *registrytest.Proxy
}

func newSite(t *testing.T, seed uint64) *site {
	t.Helper()
	b := jobtest.New(t, seed)
	c := b.Content
	s := &site{Bench: b, mirror: registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host),
		roots: map[string]oci.Descriptor{"team/app": c.Image(true, c.Layer(2<<20, ocitest.LayerGzip)), "team/list": c.Kinds()["index"]}}
	set := jobtest.Images(b.Push(s.roots["team/app"], "team/app", "v1"), b.Push(s.roots["team/list"], "team/list", "v1"))
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	s.reader = b.Open(done.Dir)
	return s
}

func (s *site) options(t *testing.T, out string) unpack.Options {
	t.Helper()
	o := unpack.Options{To: s.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: s.mirror.Host, Namespace: "in"}}}
	if out != "" {
		var err error
		if o.Out, err = outdir.Open(out); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestRun pushes, after a refusal in the middle too, and writes the YAML at the end.
func TestRun(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 11), filepath.Join(t.TempDir(), "out")
	var absent *unpack.AbsentError
	if err := unpack.Render(t.Context(), s.reader, jobtest.Client(), s.options(t, out)); !errors.As(err, &absent) || len(absent.Images) != 2 || absent.All != 2 {
		t.Errorf("rendered for an empty mirror: %v", err)
	}
	dry := s.options(t, "")
	dry.DryRun = true
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), dry); err != nil || s.mirror.Count("PUT manifest") > 8 {
		t.Errorf("a dry run: %v, %v", err, s.mirror.Counts())
	}
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "in/team/list/manifests/v1") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), s.options(t, out)); err == nil {
		t.Error("a refused tag is no error")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("YAML was written for a mirror that lacks an image")
	}
	s.mirror.Answer = nil
	s.mirror.Reset()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), s.options(t, out)); err != nil {
		t.Fatal(err)
	}
	if n := s.mirror.SentBytes(); n > 1<<20 {
		t.Errorf("%d bytes of blobs were pushed again", n)
	}
	for repo, root := range s.roots {
		if err := ocitest.Compare(t.Context(), s.Content, root, "http://"+s.mirror.Host, "in/"+repo, "v1"); err != nil {
			t.Error(err)
		}
	}
	if body, err := os.ReadFile(filepath.Join(out, "APPLY.md")); err != nil || !strings.Contains(string(body), s.mirror.Host+" speaks plain HTTP") || !strings.Contains(string(body), "insecureRegistries") {
		t.Errorf("APPLY.md: %v\n%s", err, body)
	}
}

// TestRender writes the YAML without asking the mirror, if that is wanted, and again over
// its own.
func TestRender(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 12), filepath.Join(t.TempDir(), "out")
	s.mirror.Reset()
	for range 2 {
		o := s.options(t, out)
		o.Unasked = true
		if err := unpack.Render(t.Context(), s.reader, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
	}
	if asked := s.mirror.Requests(); len(asked) > 0 {
		t.Errorf("the mirror was asked: %v", asked)
	}
	if list, err := filepath.Glob(filepath.Join(out, "*.yaml")); err != nil || len(list) == 0 {
		t.Errorf("no YAML in %s, %v", out, err)
	}
	var refused *outdir.RefusedError
	if _, err := outdir.Open(t.TempDir()); err != nil {
		t.Error(err)
	}
	o := s.options(t, filepath.Join(s.reader.Dir(), "out"))
	o.Unasked = true
	if err := unpack.Render(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &refused) {
		t.Errorf("YAML onto the drive: %v", err)
	}
}

// TestRenderTagElsewhere: the YAML of a bundle whose images are there by digest is written
// although the mirror's tags name others, or are gone, and APPLY.md says so.
func TestRenderTagElsewhere(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 14), filepath.Join(t.TempDir(), "out")
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), s.options(t, "")); err != nil {
		t.Fatal(err)
	}
	other := s.Content.Image(false, s.Content.Layer(1000, ocitest.LayerGzip))
	if err := ocitest.Push(t.Context(), s.Content, other, "http://"+s.mirror.Host, "in/team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Render(t.Context(), s.reader, jobtest.Client(), s.options(t, out)); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(out, "APPLY.md"))
	if want := "(not `" + s.mirror.Host + "/in/team/app:v1`: that tag names another image, `" + other.Digest.String() + "`)"; err != nil || !strings.Contains(string(body), want) {
		t.Errorf("APPLY.md lacks %s: %v\n%s", want, err, body)
	}
}
