package unpack_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// TestRenderOfflineDelta: the YAML of a release is written without asking the mirror, also from a
// bundle that leaves out what the mirror has, although nodes demand signatures.
func TestRenderOfflineDelta(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 81)
	v.release("4.22.1", v.policy)
	base := v.config
	packed := func(dir string) *bundle.Reader {
		t.Helper()
		v.config = base + jobtest.Images(v.Push(v.Content.Image(false, v.Content.Layer(1<<12, ocitest.LayerGzip)), "team/app", "v1"))
		o := v.Prepare(v.config)
		o.Config.Extra.IgnoreReleaseSignature = true
		o.Client = transport.NewClient(transport.Config{RegistriesConf: v.conf})
		p := v.Pack(o, dir)
		known, err := baseline.OfLedger(p.State, p.Job.Stream, 0)
		var none *baseline.NoneArrivedError
		switch {
		case err == nil:
			p.Baseline, p.Since = known, []string{"last"}
		case !errors.As(err, &none):
			t.Fatal(err)
		}
		done, err := pack.Run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Confirm(p.State, string(done.Fingerprint), ledger.Arrival{How: ledger.BySlip}); err != nil {
			t.Fatal(err)
		}
		return v.Open(done.Dir)
	}
	whole, delta := packed("first"), packed("second")
	if delta.Baseline() == nil {
		t.Fatal("the second bundle leaves out nothing")
	}
	for _, r := range []*bundle.Reader{whole, delta} {
		out, err := outdir.Open(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		o := unpack.Options{To: v.To(), Parallel: 2, Out: out, Unasked: true, Site: manifests.Site{Mirror: oci.Mirror{Host: "127.0.0.1:1", Namespace: "in"}}}
		if err := unpack.Render(t.Context(), r, jobtest.Client(), o); err != nil {
			t.Error(err)
		}
	}
}
