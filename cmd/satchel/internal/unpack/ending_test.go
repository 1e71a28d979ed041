package unpack_test

import (
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
)

// TestRebuiltEnds: a rebuilt receipt ends the intents of its bundle; what an own one says was
// pushed is pushed, what a stranger's says is found.
func TestRebuiltEnds(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]bool{"own": true, "a stranger's": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 961)
			o := s.options(t, "")
			state := t.TempDir()
			if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
				t.Fatal(err)
			}
			r := load(t, receiptsOf(t, o, "", jobtest.Client()).Done[0])
			r.State, r.Closes, r.Time = receipt.Intent, nil, time.Now().Add(time.Second)
			if own {
				k := &receipt.Keeper{Dir: receipt.HostDir(state, o.Site.Mirror)}
				one, err := k.Seal(t.Context(), r)
				if err == nil {
					err = k.ToHost(one)
				}
				if err != nil {
					t.Fatal(err)
				}
			} else {
				body, err := r.Encode()
				if err != nil {
					t.Fatal(err)
				}
				put(t, o, s.reader.ID()+"-intent-"+oci.Digest(body).Encoded()[:12], body, nil)
			}
			h := receiptsOf(t, o, state, jobtest.Client())
			if len(h.Open()) != 1 {
				t.Fatalf("%d open intents", len(h.Open()))
			}
			r.State, r.From = receipt.Done, receipt.Rebuilt
			for i := range r.Manifests {
				r.Manifests[i].Mark = receipt.Found
			}
			if err := h.End(r); err != nil {
				t.Fatal(err)
			}
			if len(r.Closes) != 1 || r.Closes[0] != h.Open()[0].Digest {
				t.Errorf("it ends %v", r.Closes)
			}
			for _, m := range r.Manifests {
				if m.Mark != receipt.Mark(own) {
					t.Errorf("%s is %s", m.Digest, m.Mark)
				}
			}
		})
	}
}
