package unpack_test

import (
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

// TestRulesOfEarlierBundles unpacks three weeks into one mirror: from the second on, the rules have
// a fixed name and those of all weeks before, by the receipts in the mirror alone, and rendering
// any week again gives the same.
func TestRulesOfEarlierBundles(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 71)
	mirror := oci.Mirror{Host: registrytest.StartV3(t, false, "", "").Host, Namespace: "in"}
	layer := b.Content.Layer(1000, ocitest.LayerGzip)
	var weeks []*bundle.Reader
	for _, name := range []string{"one", "two", "three"} {
		ref := b.Push(b.Content.Image(false, layer, b.Content.Layer(1000, ocitest.LayerGzip)), "team/"+name, "v1")
		done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(ref)), name))
		if err != nil {
			t.Fatal(err)
		}
		weeks = append(weeks, b.Open(done.Dir))
	}
	out := func(run func(o unpack.Options) error) string {
		dir := filepath.Join(t.TempDir(), "out")
		d, err := outdir.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := unpack.Options{To: b.To(), Parallel: 2, Site: manifests.Site{Mirror: mirror}, Out: d}
		if err := run(o); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "icsp-*.yaml"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		body, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	var last string
	for i, r := range weeks {
		last = out(func(o unpack.Options) error { return unpack.Run(t.Context(), r, jobtest.Client(), o) })
		if fixed := strings.Contains(last, "name: satchel-generic-1\n"); fixed != (i > 0) {
			t.Errorf("week %d: %s", i+1, last)
		}
		for _, name := range []string{"one", "two", "three"}[:i+1] {
			if !strings.Contains(last, "    - "+mirror.Host+"/in/team/"+name+"\n    source: "+b.Proxy.Host+"/team/"+name+"\n") {
				t.Errorf("week %d lacks the rule of %s: %s", i+1, name, last)
			}
		}
	}
	for i, r := range weeks {
		again := out(func(o unpack.Options) error { return unpack.Render(t.Context(), r, jobtest.Client(), o) })
		if again != last {
			t.Errorf("week %d rendered again: %s", i+1, again)
		}
	}
	alone := out(func(o unpack.Options) error {
		o.Unasked = true
		return unpack.Render(t.Context(), weeks[2], jobtest.Client(), o)
	})
	if strings.Contains(alone, "satchel-generic-1\n") || strings.Contains(alone, "team/one") {
		t.Errorf("without the mirror and without receipts on this host: %s", alone)
	}
}
