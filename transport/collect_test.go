package transport

import (
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestCollect moves tags, collects garbage, and pulls what the tags named before: from
// distribution 3 that deletes untagged manifests, and from docker-registry 2.8 that does not. If
// that one does too, it deletes what only an index names, unless that has tags.
func TestCollect(t *testing.T) {
	t.Parallel()
	v3, v2 := registrytest.StartV3(t, false, "", ""), registrytest.Start(t)
	unsafe, children := registrytest.Start(t), registrytest.Start(t)
	for name, c := range map[string]struct {
		host     string
		collect  func()
		children bool
		lost     bool
	}{
		"distribution 3, untagged too":             {v3.Host, func() { v3.Collect(t, true) }, false, false},
		"docker-registry 2.8":                      {v2.Host, func() { v2.Collect(t, false) }, false, false},
		"docker-registry 2.8, untagged too":        {unsafe.Host, func() { unsafe.Collect(t, true) }, false, true},
		"docker-registry 2.8, untagged, and named": {children.Host, func() { children.Collect(t, true) }, true, false},
	} {
		content := ocitest.New(41)
		layer := func(n int) oci.Descriptor { return content.Layer(n, ocitest.LayerGzip) }
		list := content.Index(false, content.Image(false, layer(1000)), content.ImageFor("arm64", false, layer(1100)))
		weeks := []*oci.Inventory{
			images(map[string]oci.Descriptor{"a": list, "b": content.Image(false, layer(1200))}),
			images(map[string]oci.Descriptor{"a": content.Image(false, layer(1300)), "b": content.Image(false, layer(1400))}),
		}
		// What somebody else, or an older satchel, has pushed under a tag alone.
		before := content.Image(true, layer(1500))
		if err := ocitest.Push(t.Context(), content, before, "http://"+c.host, "mirror/team/b", "1"); err != nil {
			t.Fatal(err)
		}
		for _, week := range weeks {
			m := mirrorAt(insecure(t), c.host, 2)
			m.TagChildren = c.children
			mustFill(t, m, content, week)
		}
		c.collect()
		if err := ocitest.Compare(t.Context(), content, before, "http://"+c.host, "mirror/team/b", oci.DigestTag(before.Digest)); err != nil {
			t.Errorf("%s: what was there before: %v", name, err)
		}
		m := mirrorAt(insecure(t), c.host, 2)
		lacks, err := m.Lacks(t.Context(), content, &oci.Inventory{Images: append(weeks[0].Images, weeks[1].Images...)})
		if err != nil || len(lacks) > 0 != c.lost {
			t.Errorf("%s: it lacks %d images, %v", name, len(lacks), err)
		}
		missing, err := m.Missing(t.Context(), content, weeks[0])
		if err != nil || !c.lost && (len(missing.Blobs) > 0 || len(missing.Moves) != 2) {
			t.Errorf("%s: it lacks %d blobs of the first week, %v", name, len(missing.Blobs), err)
		}
	}
}
