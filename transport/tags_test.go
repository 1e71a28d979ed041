package transport

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// named wants a tag of mirror/team/a to name something, "" for nothing.
func named(t *testing.T, m *Mirror, tag string, want digest.Digest) {
	t.Helper()
	r, err := m.client.Repository(oci.Ref{Registry: m.target.Host, Repository: "mirror/team/a"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.tagDigest(t.Context(), tag); err != nil || got != want {
		t.Errorf("tag %s names %q, want %q, %v", tag, got, want, err)
	}
}

// TestFilledBefore: a mirror that another tool filled is whole without the tags that never move,
// and gets each by one push of a manifest.
func TestFilledBefore(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
	content := ocitest.New(31)
	a, b, c := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.Image(false, content.Layer(2000, ocitest.LayerGzip)), content.Image(false, content.Layer(3000, ocitest.LayerGzip))
	list := content.Index(false, a)
	inv := images(map[string]oci.Descriptor{"a": list, "b": b, "c": c})
	inv.Images[1].Tags = nil                                                 // by digest alone
	inv.Images[2].Origin, inv.Images[2].Tags = "release", []string{"4.18.1"} // the tag of a version
	for i, tag := range []string{"1", "sha256-" + b.Digest.Encoded(), "another"} {
		if err := ocitest.Push(t.Context(), content, inv.Images[i].Root, "http://"+p.Host, "mirror/team/"+string(rune('a'+i)), tag); err != nil {
			t.Fatal(err)
		}
	}
	for _, level := range []Verify{VerifyManifests, VerifySizes} {
		m := mirrorAt(insecure(t), p.Host, 2)
		m.Verify = level
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil {
			t.Fatal(err)
		}
		if len(missing.Images)+len(missing.Blobs)+len(missing.Moves) > 0 || missing.Present != 3 || len(missing.Unnamed) != 3 {
			t.Errorf("%d images, %d blobs are missing, %d tags move, %d images there, %d without a tag", len(missing.Images), len(missing.Blobs), len(missing.Moves), missing.Present, len(missing.Unnamed))
		}
		if lacks, err := m.Lacks(t.Context(), content, inv); err != nil || len(lacks) > 0 {
			t.Errorf("lacks %d images, %v", len(lacks), err)
		}
	}
	m := mirrorAt(insecure(t), p.Host, 2)
	missing, err := m.Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	p.Reset()
	if err := m.Name(t.Context(), content, missing.Unnamed); err != nil {
		t.Fatal(err)
	}
	if got := p.Counts(); got["PUT manifest"] != 3 || got["HEAD manifest"] > 1 || len(got) > 2 || m.Named() != 3 {
		t.Errorf("%d got a tag, by %v", m.Named(), got)
	}
	if sent := m.Sent(); sent != (Sent{}) {
		t.Errorf("these count as pushed: %+v", sent)
	}
	named(t, m, oci.DigestTag(list.Digest), list.Digest)
	named(t, m, oci.DigestTag(a.Digest), "")
	if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
		t.Error(err)
	}
	if missing, err = mirrorAt(insecure(t), p.Host, 2).Missing(t.Context(), content, inv); err != nil || len(missing.Unnamed) > 0 || missing.Present != 3 {
		t.Errorf("afterwards %d have no tag, %v", len(missing.Unnamed), err)
	}
}

// TestNameRefused: a mirror that refuses the tags that never move is whole all the same.
func TestNameRefused(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(32)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(1000, ocitest.LayerGzip))})
	if err := ocitest.Push(t.Context(), content, inv.Images[0].Root, "http://"+p.Host, "mirror/team/a", "1"); err != nil {
		t.Fatal(err)
	}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodPut && refuse(w, r, http.StatusForbidden, "DENIED", "read only")
	}
	m := mirrorAt(insecure(t), p.Host, 2)
	missing, err := m.Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Name(t.Context(), content, missing.Unnamed), m.Confirm(t.Context(), content, inv.Images)); err != nil {
		t.Fatal(err)
	}
	if refused := m.RefusedTags(); len(refused) != 1 || refused[0].Tag.Tag != oci.DigestTag(inv.Images[0].Root.Digest) || !strings.Contains(refused[0].Err.Error(), "read only") || m.Named() != 0 {
		t.Errorf("refused: %+v, named: %d", refused, m.Named())
	}
}

// TestTagMoves: which tags move is known beforehand, and what they named keeps a tag, also where
// nobody had given it one.
func TestTagMoves(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
	content := ocitest.New(33)
	old := content.Index(false, content.Image(false, content.Layer(1000, ocitest.LayerGzip)))
	now := content.Image(false, content.Layer(2000, ocitest.LayerGzip))
	if err := ocitest.Push(t.Context(), content, old, "http://"+p.Host, "mirror/team/a", "1"); err != nil {
		t.Fatal(err)
	}
	inv := images(map[string]oci.Descriptor{"a": now, "b": now})
	m := mirrorAt(insecure(t), p.Host, 2)
	missing, err := m.Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing.Moves) != 1 || missing.Moves[0].Old != old.Digest || missing.Moves[0].New != now.Digest || missing.Moves[0].Tag.String() != p.Host+"/mirror/team/a:1" {
		t.Fatalf("these move: %+v", missing.Moves)
	}
	if err := errors.Join(m.Blobs(t.Context(), content, slices.Values(missing.Blobs)), m.Manifests(t.Context(), content, missing.Images), m.Confirm(t.Context(), content, inv.Images)); err != nil {
		t.Fatal(err)
	}
	named(t, m, "1", now.Digest)
	named(t, m, oci.DigestTag(now.Digest), now.Digest)
	named(t, m, oci.DigestTag(old.Digest), old.Digest)
	if m.Named() != 1 || len(m.Left())+len(m.RefusedTags()) > 0 {
		t.Errorf("%d got a tag, %v stayed, %v were refused", m.Named(), m.Left(), m.RefusedTags())
	}
	// An image that needs only its tag back sends no blob, and nothing under the tags that it has.
	back := images(map[string]oci.Descriptor{"a": old})
	p.Reset()
	if err := unpacked(t.Context(), mirrorAt(insecure(t), p.Host, 2), content, back); err != nil {
		t.Fatal(err)
	}
	if puts := slices.DeleteFunc(p.Requests(), func(r string) bool {
		return !strings.HasPrefix(r, "PUT") || strings.Contains(r, "probe") || strings.Contains(r, "blobs/uploads")
	}); !slices.ContainsFunc(puts, func(r string) bool { return strings.HasSuffix(r, "/manifests/1") }) || slices.ContainsFunc(puts, func(r string) bool { return strings.Contains(r, "satchel-") && !strings.Contains(r, ProbeTag) }) {
		t.Errorf("pushed: %q", puts)
	}
	named(t, m, "1", old.Digest)
}

// TestTagStays: a tag that is to stay is left alone, and its image is there by digest.
func TestTagStays(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]struct {
		origin oci.Origin
		tag    string
	}{"an image": {"additional", "1"}, "a release": {"release", "4.18.1-x86_64"}} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		content := ocitest.New(34)
		newer, older := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.Image(false, content.Layer(2000, ocitest.LayerGzip))
		image := func(root oci.Descriptor) *oci.Inventory {
			inv := images(map[string]oci.Descriptor{"a": root})
			inv.Images[0].Origin, inv.Images[0].Tags = of.origin, []string{of.tag}
			return inv
		}
		mustFill(t, mirrorAt(insecure(t), p.Host, 2), content, image(newer))
		for _, again := range []bool{false, true} {
			m := mirrorAt(insecure(t), p.Host, 2)
			missing, err := m.Missing(t.Context(), content, image(older))
			if err != nil {
				t.Fatal(err)
			}
			if len(missing.Moves) != 1 {
				t.Fatalf("%s: %+v move", name, missing.Moves)
			}
			m.Leave(missing, missing.Moves)
			if len(missing.Moves) > 0 || again != (len(missing.Images) == 0) || again != (missing.Present == 1) {
				t.Errorf("%s, again: %v: %d images are missing, %d are there", name, again, len(missing.Images), missing.Present)
			}
			if again && of.origin == "additional" && len(missing.Unnamed) > 0 { // its tag that never moves was looked at
				t.Errorf("%s, again: %d images lack a tag that never moves", name, len(missing.Unnamed))
			}
			p.Reset()
			if err := errors.Join(m.Blobs(t.Context(), content, slices.Values(missing.Blobs)), m.Manifests(t.Context(), content, missing.Images),
				m.Name(t.Context(), content, missing.Unnamed), m.Confirm(t.Context(), content, image(older).Images)); err != nil {
				t.Fatal(err)
			}
			named(t, m, of.tag, newer.Digest)
			named(t, m, oci.DigestTag(older.Digest), older.Digest)
			if left := m.Left(); len(left) != 1 || left[0].Old != newer.Digest || left[0].New != older.Digest || left[0].Err != nil {
				t.Errorf("%s: %+v stayed", name, left)
			}
			if lacks, err := m.Lacks(t.Context(), content, image(older)); err != nil || len(lacks) > 0 {
				t.Errorf("%s: lacks %d images, %v", name, len(lacks), err)
			}
		}
	}
}

// TestTagMovedMeanwhile: a tag that somebody else has moved since it was looked at is not moved,
// because nobody was told.
func TestTagMovedMeanwhile(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(35)
	ours, theirs := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.Image(false, content.Layer(2000, ocitest.LayerGzip))
	m, inv := mirrorAt(insecure(t), p.Host, 2), images(map[string]oci.Descriptor{"a": ours})
	missing, err := m.Missing(t.Context(), content, inv)
	if err != nil {
		t.Fatal(err)
	}
	if err := ocitest.Push(t.Context(), content, theirs, "http://"+p.Host, "mirror/team/a", "1"); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(m.Blobs(t.Context(), content, slices.Values(missing.Blobs)), m.Manifests(t.Context(), content, missing.Images))
	wrong, ok := errors.AsType[*ManifestError](err)
	if !ok || wrong.Got != theirs.Digest || !strings.Contains(wrong.Hint(), "someone else") {
		t.Errorf("%v", err)
	}
	named(t, m, "1", theirs.Digest)
}

// TestTagChildren: an image that an index names and that is carried by itself too keeps a tag;
// the other images of indexes if that was asked for.
func TestTagChildren(t *testing.T) {
	t.Parallel()
	content := ocitest.New(36)
	x, y := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.ImageFor("arm64", false, content.Layer(2000, ocitest.LayerGzip))
	list := content.Index(false, x, y)
	inv := images(map[string]oci.Descriptor{"a": list})
	child := inv.Images[0]
	child.Origin, child.Root, child.Tags, child.Source = "pod", x, nil, oci.Ref{Registry: "registry.example", Repository: "team/a", Digest: x.Digest}
	inv.Images = append(inv.Images, child)
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	for _, all := range []bool{false, true} {
		m := mirrorAt(insecure(t), p.Host, 2)
		m.TagChildren = all
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil {
			t.Fatal(err)
		}
		if all && (len(missing.Images) > 0 || len(missing.Unnamed) != 1) { // filled before without
			t.Errorf("%d images are missing, %d have no tag", len(missing.Images), len(missing.Unnamed))
		}
		if err := errors.Join(m.Blobs(t.Context(), content, slices.Values(missing.Blobs)), m.Manifests(t.Context(), content, missing.Images),
			m.Name(t.Context(), content, missing.Unnamed), m.Confirm(t.Context(), content, inv.Images)); err != nil {
			t.Fatal(err)
		}
		named(t, m, oci.DigestTag(list.Digest), list.Digest)
		named(t, m, oci.DigestTag(x.Digest), x.Digest)
		if all {
			named(t, m, oci.DigestTag(y.Digest), y.Digest)
		} else {
			named(t, m, oci.DigestTag(y.Digest), "")
		}
	}
}

// TestTagBesideDamaged: a tag that moves is known beforehand also beside one that the registry
// cannot give.
func TestTagBesideDamaged(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	content := ocitest.New(36)
	old, now := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.Image(false, content.Layer(2000, ocitest.LayerGzip))
	if err := ocitest.Push(t.Context(), content, old, "http://"+p.Host, "mirror/team/a", "2"); err != nil {
		t.Fatal(err)
	}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		damaged := r.Method != http.MethodPut && strings.HasSuffix(r.URL.Path, "/team/a/manifests/1")
		if damaged {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return damaged
	}
	inv := images(map[string]oci.Descriptor{"a": now})
	inv.Images[0].Tags = []string{"1", "2"}
	missing, err := mirrorAt(insecure(t), p.Host, 2).Missing(t.Context(), content, inv)
	if err != nil || len(missing.Moves) != 1 || missing.Moves[0].Tag.Tag != "2" || missing.Moves[0].Old != old.Digest {
		t.Errorf("these move: %+v, %v", missing, err)
	}
}

// TestTagOfDamaged: what a tag names is damaged: the tag moves all the same.
func TestTagOfDamaged(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func(*http.Response){
		"other bytes": func(resp *http.Response) {
			resp.Body = io.NopCloser(strings.NewReader(`{"schemaVersion":2}`))
			resp.ContentLength = int64(len(`{"schemaVersion":2}`))
			resp.Header.Set("Content-Length", strconv.Itoa(len(`{"schemaVersion":2}`)))
		},
		"an error": func(resp *http.Response) { resp.StatusCode = http.StatusInternalServerError },
	} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		content := ocitest.New(37)
		old, now := content.Image(false, content.Layer(1000, ocitest.LayerGzip)), content.Image(false, content.Layer(2000, ocitest.LayerGzip))
		if err := ocitest.Push(t.Context(), content, old, "http://"+p.Host, "mirror/team/a", "1"); err != nil {
			t.Fatal(err)
		}
		p.Alter = func(resp *http.Response) error {
			if resp.Request.Method == http.MethodGet && strings.HasSuffix(resp.Request.URL.Path, "/manifests/"+old.Digest.String()) {
				alter(resp)
			}
			return nil
		}
		inv := images(map[string]oci.Descriptor{"a": now})
		m := mirrorAt(insecure(t), p.Host, 2)
		missing, err := m.Missing(t.Context(), content, inv)
		if err == nil {
			err = errors.Join(m.Blobs(t.Context(), content, slices.Values(missing.Blobs)), m.Manifests(t.Context(), content, missing.Images))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		named(t, m, "1", now.Digest)
	}
}
