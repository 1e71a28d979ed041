package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// TestKilledAfterTheDirectory has a run killed right after it made a directory in the root
// of a drive: the next one removes that, and no other.
func TestKilledAfterTheDirectory(t *testing.T) {
	f, _ := newMounted(t, "8m")
	const ours, others = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
	jnl, err := journal.Create(journalPath(f.state, ours), journal.Begin{Bundle: ours, Config: f.job.Config, SegmentSize: f.job.SegmentSize, Lanes: f.job.Lanes})
	if err = errors.Join(err, jnl.Close()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{ours, others} {
		if err := os.Mkdir(filepath.Join(f.drive, dirPrefix+id), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if w, err := Resume(t.Context(), f.drive, f.state, f.job, nil); w != nil || err != nil {
		t.Fatalf("%v, %v", w, err)
	}
	left, err := filepath.Glob(filepath.Join(f.drive, dirPrefix+"*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != dirPrefix+others {
		t.Errorf("left are %v, %v", left, err)
	}
}
