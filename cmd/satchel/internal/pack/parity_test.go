package pack_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
)

// TestSeveralParity gives each drive its own parity files, for which there is room on it.
func TestSeveralParity(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 311)
	o := options("staging")
	o.Job.Parity, o.Drives.Size = bundle.ParityRatio{Parity: 1, Data: 9}, 5<<20
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	dirs, err := filepath.Glob(filepath.Join(o.Dir, "drive-0*"))
	if err != nil || len(dirs) < 2 {
		t.Fatalf("%v, %v", dirs, err)
	}
	r, err := bundle.Verify(t.Context(), dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	for _, d := range r.Drives {
		if d.Protection.Parity != 1 || d.Bytes > o.Drives.Size {
			t.Errorf("drive %d: %d bytes, %+v", d.Number, d.Bytes, d.Protection)
		}
	}
	if n := strings.Count(b.Log.String(), "can be rebuilt"); n != len(dirs) {
		t.Errorf("said %d times\n%s", n, b.Log)
	}
	again, err := pack.Run(t.Context(), o)
	if err != nil || again.Fingerprint != done.Fingerprint {
		t.Errorf("again: %+v, %v\n%s", again, err, b.Log)
	}
}
