package changes_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
)

// TestUnreadBundle: what cannot be read of the other bundle is an error, and not an image without
// parts; also of a bundle that leaves something out.
func TestUnreadBundle(t *testing.T) {
	t.Parallel()
	readers := deltaWeeks(t, jobtest.New(t, 94))
	for _, other := range []*bundle.Reader{readers[0], readers[1]} {
		segments, err := filepath.Glob(filepath.Join(other.Dir(), "s-*.age"))
		if err != nil || len(segments) == 0 {
			t.Fatal(segments, err)
		}
		for _, s := range segments {
			if err := os.Truncate(s, 0); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := changes.ToBundle(t.Context(), readers[2], other, false); err == nil {
			t.Errorf("bundle %s cannot be read, and is compared: %+v", other.ID(), c)
		}
	}
}
