package bundle

import (
	"bytes"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// secrets is what must not be read on the drive, by what it is.
func (f *fixture) secrets(t *testing.T) map[string][]byte {
	t.Helper()
	list := map[string][]byte{"media type": []byte("application/vnd"), "layout": []byte("imageLayoutVersion"), "tar": []byte("ustar")}
	for _, img := range f.inv.Images {
		list["reference "+img.Source.String()] = []byte(img.Source.String())
		list["registry"], list["repository "+img.Source.Repository] = []byte(img.Source.Registry), []byte(img.Source.Repository)
		list["tag "+img.Source.Tag] = []byte(img.Source.Tag)
	}
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		sum, err := hex.DecodeString(n.Descriptor.Digest.Encoded())
		if err != nil {
			t.Fatal(err)
		}
		list[n.Descriptor.Digest.String()] = []byte(n.Descriptor.Digest.Encoded())
		list["binary "+n.Descriptor.Digest.String()] = sum
	}
	return list
}

// searched fails if a file's name or bytes hold a secret. It gives the files searched.
func searched(t *testing.T, dir string, secrets map[string][]byte) (names []string) {
	t.Helper()
	for name, body := range files(t, dir) {
		names = append(names, name)
		for what, secret := range secrets {
			if bytes.Contains(body, secret) || bytes.Contains([]byte(name), secret) {
				t.Errorf("%s tells the %s", name, what)
			}
		}
	}
	return names
}

// TestNothingInClear searches the drive at every moment of a pack: while
// segments are written, after a kill, when it is closed, and sealed.
func TestNothingInClear(t *testing.T) {
	f := newSmall(t, false)
	root := f.content.Image(false, f.content.Layer(1<<20, ocitest.LayerGzip))
	img := imageOf(t, "hidden", root)
	img.Source.Tag, img.Tags = "tag-that-nobody-knows", []string{"tag-that-nobody-knows"}
	f.inv = &oci.Inventory{Images: []oci.Image{img}}
	for _, name := range []string{"long", "short"} {
		other := imageOf(t, name, f.content.Kinds()["many"])
		other.Source.Tag, other.Tags = "another-tag", []string{"another-tag"}
		f.inv.Images = append(f.inv.Images, other)
	}
	f.inv.Sort()
	f.survey(t)
	secrets := f.secrets(t)
	if len(secrets) < 20 {
		t.Fatalf("only %d secrets: %v", len(secrets), slices.Sorted(maps.Keys(secrets)))
	}

	seen := map[string]bool{}
	look := func() {
		for _, name := range searched(t, f.drive, secrets) {
			seen[name] = true
			seen["*.tmp"] = seen["*.tmp"] || strings.HasSuffix(name, ".age.tmp")
		}
	}
	w := f.writer(t)
	w.maxAge = 0
	if err := f.fill(t.Context(), w, watched{f.content, look}); err != nil {
		t.Fatal(err)
	}
	look()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	look()
	f.pack(t)
	look()
	for _, name := range []string{"*.tmp", "s-00-00001.age", "bundle.json", "copy/index.age", "README.txt", "SHA256SUMS"} {
		if !seen[name] {
			t.Errorf("%s was never looked into", name)
		}
	}
	if t.Failed() {
		return
	}
	// The search finds what is there to be found.
	journal, err := os.ReadFile(f.journal(t))
	if err != nil || !bytes.Contains(journal, secrets["tag tag-that-nobody-knows"]) {
		t.Errorf("the journal, which may know the tag, does not: %v", err)
	}
}
