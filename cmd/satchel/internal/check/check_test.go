package check_test

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestIntact: a mirror that has everything gives no finding that fails, whatever rules lead to it.
func TestIntact(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]kind{
		"icsp": {images: 6, depth: check.Bytes}, "tls": {images: 3, secure: true, depth: check.Configs},
		"nested": {images: 3, nested: 2, depth: check.Layers}, "addresses": {images: 3, pullFrom: []string{"in", "other"}, api: manifests.MirrorIDMS, depth: check.Layers},
		"sparse": {images: 6, sparse: true, depth: check.Layers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 201, k)
			o := w.options()
			o.Depth = k.depth
			r, err := w.run(o)
			if err != nil || r.Fails > 0 {
				t.Fatalf("%v\n%s", err, w.Log)
			}
			for _, f := range r.Findings {
				if f.Kind != check.ByTag || k.api == manifests.MirrorIDMS {
					t.Errorf("%s %s: %s", f.Kind, f.Image, f.Wrong)
				}
			}
			if len(r.Images) < 15+k.images || len(r.OtherHosts)+len(r.Notes) > 0 {
				t.Errorf("%d images, other hosts %q, notes %q", len(r.Images), r.OtherHosts, r.Notes)
			}
			for _, img := range r.Images {
				want := 2
				if k.sparse && strings.Contains(img.Image, "/team") {
					want = 1
				}
				if n := len(img.Platforms); n > 0 && n != want {
					t.Errorf("%s: looked at %q", img.Image, img.Platforms)
				}
			}
		})
	}
}
