package unpack_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestPruneMeanwhile: a run that found everything in place looks again where another host has
// deleted from the mirror since.
func TestPruneMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, 91)
	o := s.options(t, "")
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	m := transport.NewMirror(jobtest.Client(), o.Site.Mirror, 2)
	k := receipt.Keeper{Mirror: m, Repo: receipt.RepoIn(o.Site.Mirror)}
	app := oci.Ref{Registry: s.mirror.Host, Repository: "in/team/app", Digest: s.roots["team/app"].Digest}
	var lists atomic.Int64
	var marker oci.Ref
	s.mirror.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/satchel/receipts/tags/list") && lists.Add(1) == 2 { // the last look
			var err error
			if marker, err = k.BeginPrune(t.Context()); err == nil {
				err = m.Delete(t.Context(), app)
			}
			if err != nil {
				t.Error(err)
			}
		}
		return false
	}
	var lost *transport.ManifestError
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &lost) || lost.Manifest.Digest != app.Digest {
		t.Fatalf("what was deleted meanwhile: %v", err)
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil { // it pushes it again
		t.Fatal(err)
	}
	if !strings.Contains(s.Log.String(), "a prune of this mirror has begun and has not ended") {
		t.Error("nothing is said of the prune")
	}
	if err := k.EndPrune(t.Context(), marker, nil); err != nil {
		t.Error(err)
	}
	if there, err := m.Has(t.Context(), app); err != nil || !there {
		t.Errorf("it is there: %v, %v", there, err)
	}
}
