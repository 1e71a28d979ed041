package check_test

import (
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestIntact: a mirror that has everything gives no finding that fails, whatever rules lead to it.
func TestIntact(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]kind{
		"icsp": {images: 6}, "idms": {images: 3, api: manifests.MirrorIDMS}, "tls": {images: 3, secure: true},
		"nested": {images: 3, nested: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 201, k)
			for _, depth := range []check.Depth{check.Configs, check.Layers, check.Bytes} {
				o := w.options()
				o.Depth = depth
				r, err := w.run(o)
				if err != nil || r.Fails > 0 {
					t.Errorf("%s: %v\n%s", depth, err, w.Log)
				}
				for _, f := range r.Findings {
					t.Logf("%+v", f)
				}
				t.Log(len(r.Images), r.OtherHosts, r.Notes)
			}
		})
	}
}
