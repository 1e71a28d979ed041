package inspect_test

import (
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
)

// TestAway: of a bundle on several drives, the images that need one which is not here are listed, by drive and
// for a later pack.
func TestAway(t *testing.T) {
	t.Parallel()
	s := jobtest.NewDriveSet(t, 12)
	r := s.Open(s.Dirs[2])
	alone, err := inspect.Run(t.Context(), r)
	if err != nil || len(alone.Away) != 2 {
		t.Fatalf("the last drive alone: %+v, %v", alone.Away, err)
	}
	if _, err := r.Attach(t.Context(), s.Dirs[0]); err != nil {
		t.Fatal(err)
	}
	rep, err := inspect.Run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	label := r.Drives()[1].Label()
	if len(rep.Away) != 1 || rep.Away[0].Drive != 2 || rep.Away[0].Label != label || len(rep.Away[0].Images) == 0 || len(rep.Away[0].Images) == 3 {
		t.Errorf("without drive 2: %+v", rep.Away)
	}
	if l := rep.Without; len(l.Images) != len(rep.Away[0].Images) || len(l.Lost) != 1 || l.Lost[0] != label || l.Images[0].Image.Root.Digest == "" {
		t.Errorf("%+v", l)
	}
	if _, err := r.Attach(t.Context(), s.Dirs[1]); err != nil {
		t.Fatal(err)
	}
	if rep, err := inspect.Run(t.Context(), r); err != nil || len(rep.Away) != 0 || len(rep.Without.Images) != 0 {
		t.Errorf("with all: %+v, %v", rep.Away, err)
	}
}
