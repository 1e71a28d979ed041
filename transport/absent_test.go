package transport

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestAbsent tells what somebody else has pushed from what is not there.
func TestAbsent(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	c := ocitest.New(6)
	old, now := c.Image(false, c.Layer(100, ocitest.LayerGzip)), c.Image(false, c.Layer(200, ocitest.LayerGzip))
	theirs, ours := c.Image(false, c.Layer(300, ocitest.LayerGzip)), c.ImageFor("arm64", false, c.Layer(400, ocitest.LayerGzip))
	m := mirrorAt(insecure(t), p.Host, 2)
	mustFill(t, m, c, images(map[string]oci.Descriptor{"moved": old, "list": theirs}))

	inv := images(map[string]oci.Descriptor{"moved": now, "list": c.Index(false, theirs, ours), "new": now})
	inv.Images[0].Tags = []string{"2"} // list
	m = mirrorAt(insecure(t), p.Host, 2)
	missing, err := m.Missing(t.Context(), c, inv)
	if err != nil {
		t.Fatal(err)
	}
	var heads atomic.Int32
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			heads.Add(1)
		}
		return false
	}
	a, err := m.Absent(t.Context(), c, missing)
	if err != nil {
		t.Fatal(err)
	}
	list := "mirror/team/list"
	for what, ok := range map[string]bool{
		"a manifest of theirs":           !a.Manifest(list, theirs.Digest),
		"a manifest of ours":             a.Manifest(list, ours.Digest),
		"the index":                      a.Manifest(list, inv.Images[0].Root.Digest),
		"a new manifest beside":          a.Manifest("mirror/team/moved", now.Digest),
		"a new manifest in another":      a.Manifest("mirror/team/new", now.Digest),
		"what nobody asked for":          !a.Manifest("mirror/team/other", now.Digest),
		"a blob is no manifest":          !a.Blob("mirror/team/new", now.Digest),
		"no more requests than it needs": heads.Load() == 8, // five manifests, three tags of digests; all else is known
	} {
		if !ok {
			t.Errorf("wrong: %s (%d HEADs)", what, heads.Load())
		}
	}
	for _, d := range missing.Blobs {
		if !a.Blob(d.Repos[0].Repository, d.Blob.Digest) {
			t.Errorf("blob %s", d.Blob.Digest)
		}
	}
	if absent, named := a.Tag("mirror/team/moved", "1"); absent || named != old.Digest {
		t.Errorf("a tag that moves: %t, %s", absent, named)
	}
	if absent, named := a.Tag("mirror/team/new", "1"); !absent || named != "" {
		t.Errorf("a new tag: %t, %s", absent, named)
	}
}

// TestAbsentParts has a manifest of somebody else lack a blob: it is not absent, and neither is a
// tag in the form of those that never move.
func TestAbsentParts(t *testing.T) {
	t.Parallel()
	c := ocitest.New(8)
	image, other := c.Image(false, c.Layer(100, ocitest.LayerGzip)), c.Image(false, c.Layer(200, ocitest.LayerGzip))
	digests := map[string]oci.Descriptor{image.Digest.String(): image, oci.DigestTag(image.Digest): other}
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, name, _ := strings.Cut(r.URL.Path, "/manifests/")
		d, there := digests[name]
		switch {
		case strings.HasSuffix(r.URL.Path, "/v2/"):
		case !there:
			refuse(w, r, http.StatusNotFound, "UNKNOWN", "")
		default:
			body, err := oci.ReadManifest(r.Context(), c, d)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", d.MediaType)
			w.Header().Set("Docker-Content-Digest", d.Digest.String())
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			if r.Method != http.MethodHead {
				_, _ = w.Write(body) // the client may go away
			}
		}
	})
	m := mirrorAt(insecure(t), host, 2)
	missing, err := m.Missing(t.Context(), c, images(map[string]oci.Descriptor{"a": image}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.Absent(t.Context(), c, missing)
	if err != nil {
		t.Fatal(err)
	}
	repo := "mirror/team/a"
	if a.Manifest(repo, image.Digest) || len(missing.Blobs) == 0 || !a.Blob(repo, missing.Blobs[0].Blob.Digest) {
		t.Errorf("the manifest that is there is absent: %+v of %+v", a, missing)
	}
	if absent, named := a.Tag(repo, oci.DigestTag(image.Digest)); absent || named != other.Digest {
		t.Errorf("the tag: absent %t, names %s", absent, named)
	}
}

// TestAbsentRefused: of what a registry refuses to speak of, nothing is known.
func TestAbsentRefused(t *testing.T) {
	t.Parallel()
	c := ocitest.New(7)
	image := c.Image(false, c.Layer(100, ocitest.LayerGzip))
	var made atomic.Bool // by a probe: from then on it answers
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusNotFound
		if !made.Load() {
			status = http.StatusForbidden
		}
		if strings.HasSuffix(r.URL.Path, "/v2/") {
			status = http.StatusOK
		}
		refuse(w, r, status, "DENIED", "")
	})
	inv := images(map[string]oci.Descriptor{"a": image})
	for _, is := range []bool{false, true} {
		made.Store(false)
		m := mirrorAt(insecure(t), host, 2)
		missing, err := m.Missing(t.Context(), c, inv)
		if err != nil {
			t.Fatal(err)
		}
		made.Store(is)
		a, err := m.Absent(t.Context(), c, missing)
		if err != nil {
			t.Fatal(err)
		}
		if absent, _ := a.Tag("mirror/team/a", "1"); absent != is || a.Manifest("mirror/team/a", image.Digest) != is || a.Blob("mirror/team/a", missing.Blobs[0].Blob.Digest) != is {
			t.Errorf("known: %t: %+v", is, a)
		}
	}
}
