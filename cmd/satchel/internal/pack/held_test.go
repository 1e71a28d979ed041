package pack_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// atReadBack does something once, while a pack is about to read its bundle back.
type atReadBack struct {
	once sync.Once
	do   func()
}

func (r *atReadBack) Progress(what string, _, _ int64) notice.Progress {
	if what == "verifying" {
		r.once.Do(r.do)
	}
	return notice.To{}.Progress(what, 0, 0)
}

// TestReadBackIsHeld has other packs come while one reads its bundle back, after packing it
// and again later: none gets it, and it stays whole.
func TestReadBackIsHeld(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 71)
	set := jobtest.Images(b.Push(b.Content.Image(true, b.Content.Layer(1<<20, ocitest.LayerGzip)), "team/app", "v1"))
	for _, round := range []string{"packed", "unchanged"} {
		tried := 0
		first := b.Pack(b.Prepare(set), "drive")
		first.Reporter = &atReadBack{do: func() {
			for _, restart := range []bool{false, true} {
				tried++
				second := b.Pack(b.Prepare(set), "drive")
				second.Restart = restart
				var refused *bundle.RefusedError
				if _, err := pack.Run(t.Context(), second); !errors.As(err, &refused) || !refused.Busy || !strings.Contains(err.Error(), "another satchel is writing this bundle: process ") {
					t.Errorf("%s, restart %v: %v", round, restart, err)
				}
			}
		}}
		done, err := pack.Run(t.Context(), first)
		if err != nil || tried != 2 {
			t.Fatalf("%s: the first one: %v, %d others", round, err, tried)
		}
		if _, err := bundle.Verify(t.Context(), []string{done.Dir}, bundle.VerifyOptions{Expect: done.Fingerprint}); err != nil {
			t.Error(err)
		}
	}
}
