package unpack_test

import (
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
)

// TestReceiptOfTomorrow: a receipt whose time is in the future, of this host or in the mirror, has
// a run write its own once, and later ones nothing.
func TestReceiptOfTomorrow(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]bool{"this host": true, "the mirror": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 941)
			o := s.options(t, "")
			if host {
				o.State = t.TempDir()
			}
			if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
				t.Fatal(err)
			}
			r := load(t, receiptsOf(t, o, o.State, jobtest.Client()).Done[0])
			r.Time, r.Closes = time.Now().Add(24*365*time.Hour), nil
			r.Images[0].Tags = nil
			if host {
				k := &receipt.Keeper{Dir: receipt.HostDir(o.State, o.Site.Mirror)}
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
				put(t, o, s.reader.ID()+".2", body, nil)
			}
			for range 3 {
				if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
					t.Fatal(err)
				}
			}
			h := receiptsOf(t, o, o.State, jobtest.Client())
			if len(h.Done) != 3 {
				t.Errorf("%d receipts", len(h.Done))
			}
			if newest := load(t, h.Done[0]); len(newest.Images[0].Tags) == 0 {
				t.Errorf("the newest is %s of %s", h.Done[0].Tag, newest.Time)
			}
		})
	}
}
