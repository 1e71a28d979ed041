package transport

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestConfirm names what a mirror does to manifests that it has accepted.
func TestConfirm(t *testing.T) {
	t.Parallel()
	digested := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/sha256:") }
	var late atomic.Int32
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request) bool
		want   string // "" for all is well
	}{
		"keeps them": {func(http.ResponseWriter, *http.Request) bool { return false }, ""},
		"drops them": {func(w http.ResponseWriter, r *http.Request) bool {
			io.Copy(io.Discard, r.Body)
			if r.Method != http.MethodPut {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
			w.WriteHeader(http.StatusCreated)
			return true
		}, "accepted this manifest and does not have it"},
		"caches that they are absent": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !digested(r) {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			return true
		}, "accepted this manifest and does not have it"},
		"shows them late": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !digested(r) || late.Add(1) > 1 {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			return true
		}, ""},
		"gives other bytes": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				return false
			}
			w.Header().Set("Content-Type", oci.MediaTypeManifest)
			io.WriteString(w, `{"schemaVersion":2}`)
			return true
		}, "changed this manifest: it has " + oci.Digest([]byte(`{"schemaVersion":2}`)).String()},
		"names another by tag": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut || digested(r) {
				return false
			}
			w.Header().Set(headerDigest, oci.Digest([]byte("other")).String())
			w.Header().Set("Content-Type", oci.MediaTypeManifest)
			return true
		}, "instead of"},
		"gives them as something else": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				return false
			}
			behind := r.Clone(r.Context())
			behind.URL.Scheme, behind.URL.Host, behind.RequestURI = "http", r.Header.Get("X-Behind"), ""
			resp, err := http.DefaultTransport.RoundTrip(behind)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			w.Header().Set("Content-Type", "application/json")
			io.Copy(w, resp.Body)
			return true
		}, `media type`},
	} {
		behind := registrytest.StartOlareg(t).Host
		p := registrytest.StartProxy(t, behind)
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("X-Behind", behind)
			kind := registrytest.Kind(r)
			return strings.HasSuffix(kind, " manifest") && c.answer(w, r)
		}
		content := ocitest.New(23)
		root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
		inv := images(map[string]oci.Descriptor{"a": root})
		m := mirrorAt(insecure(t), p.Host, 2)
		mustFill(t, m, content, inv)
		err := m.Confirm(t.Context(), content, inv.Images)
		var wrong *ManifestError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "team/a") || wrong.Hint() == ""):
			t.Errorf("%s: %v", name, err)
		}
		lacks, err := m.Lacks(t.Context(), content, inv)
		if err != nil || len(lacks) > 0 != (c.want != "" && name != "names another by tag") { // nodes pull by digest
			t.Errorf("%s: lacks %d images, %v", name, len(lacks), err)
		}
		want := map[string]Problem{"drops them": ProblemDrops, "caches that they are absent": ProblemDrops,
			"gives other bytes": ProblemChanges, "gives them as something else": ProblemChanges, "names another by tag": ""}[name]
		if err := m.Probe(t.Context(), repos(p.Host, "x/y"), nil); want != "" && problems(t, err)["x/y"] != want || want == "" && err != nil {
			t.Errorf("%s: the probe finds %v, want %q", name, err, want)
		}
	}
}

// TestConfirmAsksEach asks for every manifest once, and for the bytes.
func TestConfirmAsksEach(t *testing.T) {
	t.Parallel()
	proxy := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(24)
	root := content.Index(false, content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.ImageFor("arm64", false, content.Layer(1000, ocitest.LayerGzip)))
	inv := images(map[string]oci.Descriptor{"a": root, "b": root})
	inv.Images = append(inv.Images, inv.Images[0])
	inv.Images[2].Tags = []string{"2"}
	m := mirrorAt(insecure(t), proxy.Host, 2)
	mustFill(t, m, content, inv)
	proxy.Reset()
	if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
		t.Fatal(err)
	}
	if got := proxy.Counts(); got["GET manifest"] != 8 || got["HEAD manifest"] != 3+2 || got["PUT manifest"] != 0 {
		t.Errorf("requests %v, want a GET for each of three manifests in two repositories, one for a signature in each, and a HEAD for each of three tags and two of digests", got)
	}
}

// TestImmutableTags pushes into a mirror that refuses a tag that is there, again: what is
// there already is no refusal; another manifest is named by its digest, and the tag stays.
func TestImmutableTags(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	tags := map[string]bool{}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		kind := registrytest.Kind(r)
		if kind == "DELETE manifest" || kind == "DELETE blob" {
			return refuse(w, r, 405, "UNSUPPORTED", "")
		}
		if kind != "PUT manifest" || strings.Contains(r.URL.Path, "sha256:") {
			return false
		}
		if tags[r.URL.Path] {
			return refuse(w, r, 400, "TAG_INVALID", "the tag is immutable")
		}
		tags[r.URL.Path] = true
		return false
	}
	content := ocitest.New(25)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(1000, ocitest.LayerGzip))})
	m := mirrorAt(insecure(t), p.Host, 1)
	for range 2 { // as after an interruption before the end
		if err := m.Probe(t.Context(), repos(p.Host, "mirror/team/a"), nil); err != nil {
			t.Fatal(err)
		}
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil {
			t.Fatal(err)
		}
		missing.Images = inv.Images
		if err := errors.Join(m.Blobs(t.Context(), content, func(yield func(Delivery) bool) {
			for _, d := range missing.Blobs {
				if !yield(d) {
					return
				}
			}
		}), m.Manifests(t.Context(), content, missing.Images)); err != nil {
			t.Fatal(err)
		}
	}
	other := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(2000, ocitest.LayerGzip))})
	if err := unpacked(t.Context(), m, content, other); err != nil {
		t.Fatal(err)
	}
	left := m.Left()
	if len(left) != 1 || left[0].Old != inv.Images[0].Root.Digest || left[0].New != other.Images[0].Root.Digest || left[0].Tag.Tag != "1" {
		t.Fatalf("another image under an immutable tag: %+v", left)
	}
	tag, ok := errors.AsType[*TagError](left[0].Err)
	if !ok || tag.Got != left[0].Old || !tag.Permanent() {
		t.Errorf("another image under an immutable tag: %v", left[0].Err)
	}
}
