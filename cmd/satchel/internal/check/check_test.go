package check_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestIntact: a mirror that has everything gives no finding that fails, whatever rules lead to it.
func TestIntact(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]kind{
		"icsp": {images: 3, depth: check.Bytes}, "tls": {images: 1, secure: true, depth: check.Configs},
		"nested": {images: 3, nested: 2, depth: check.Layers}, "addresses": {images: 3, pullFrom: []string{"in", "other"}, api: manifests.MirrorIDMS, depth: check.Layers},
		"sparse": {images: 3, sparse: true, depth: check.Layers},
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

// TestOffline: receipts alone say what a mirror has, and no registry is asked.
func TestOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 231, kind{images: 3})
	intact, err := w.run(w.options())
	if err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.Offline = true
	if err := os.RemoveAll(w.mirror.Dir); err != nil {
		t.Fatal(err)
	}
	r, err := w.run(o)
	if err != nil || len(r.Images) < len(intact.Images) || !r.Offline {
		t.Errorf("%v: %d images of %d", err, len(r.Images), len(intact.Images))
	}
	o.Receipts[0].Manifests = slices.DeleteFunc(o.Receipts[0].Manifests, func(m receipt.Manifest) bool { return m.Digest == intact.Images[0].Digest })
	r, err = w.run(o)
	if fails := (*check.FailsError)(nil); !errors.As(err, &fails) || r.Findings[0].Image != intact.Images[0].Image || r.Findings[0].Kind != check.Missing {
		t.Errorf("%v: %+v", err, r.Findings)
	}
}

// TestSkopeo pulls by the registries.conf that was written, without the sources: it gets what check says
// that nodes get, from there, and nothing else.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	w := newWorld(t, 232, kind{images: 3})
	r, err := w.run(w.options())
	if err != nil {
		t.Fatal(err)
	}
	all := w.removals(r)
	for i, one := range []removal{all[0], all[len(all)/2], all[len(all)-1]} {
		if !strings.Contains(one.image, "@") {
			continue
		}
		pull := func() error {
			cmd := exec.Command("skopeo", "--insecure-policy", "--registries-conf", filepath.Join(w.out, "registries.conf"), "copy", "--all", "-q", "docker://"+one.image, "dir:"+t.TempDir())
			cmd.Env = append(os.Environ(), "CONTAINERS_REGISTRIES_CONF=", "XDG_RUNTIME_DIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}
		w.Proxy.Answer = func(rw http.ResponseWriter, _ *http.Request) bool { // the source is away
			rw.WriteHeader(http.StatusNotFound)
			return true
		}
		if err := pull(); err != nil {
			t.Errorf("%d: skopeo does not get %s: %v", i, one.image, err)
		}
		if err := os.Rename(one.paths[0], one.paths[0]+".away"); err != nil {
			t.Fatal(err)
		}
		if err := pull(); err == nil {
			t.Errorf("%d: skopeo gets %s without its %s", i, one.image, one.what)
		}
		if err := os.Rename(one.paths[0]+".away", one.paths[0]); err != nil {
			t.Fatal(err)
		}
	}
}
