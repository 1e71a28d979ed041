package bundle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestIntoFromFailingDrive: a segment that was whole changes, or is gone, before it is copied. All else is written, it
// is named, and the next run rebuilds it from parity.
func TestIntoFromFailingDrive(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "1/3")
	name := segmentFiles(t, s.drive)[0]
	for how, body := range map[string][]byte{"changed": slices.Repeat([]byte{1}, len(s.whole[name])), "gone": nil} {
		s.restore(t)
		to := t.TempDir()
		r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s.drive, name, body)
		err = errors.Join(r.Into(context.Background(), to, nil), r.Close())
		partial, ok := errors.AsType[*RepairError](err)
		if !ok || !slices.Equal(partial.Files, []string{name}) {
			t.Errorf("%s: %v", how, err)
		}
		if got := files(t, to); len(got) != len(s.whole)-1 {
			t.Errorf("%s: %d files of %d were written", how, len(got), len(s.whole))
		}
		if _, err := s.repair(t, to, Wanted{}); err != nil {
			t.Errorf("%s, again: %v", how, err)
		}
		same(t, to, s.whole)
	}
}

// TestIntoWithoutKey: where a key file is lost, README.txt and SHA256SUMS, which follow from it, are written as they are.
func TestIntoWithoutKey(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.gone(t, "key-1.age")
	s.gone(t, "copy/key-1.age")
	to := t.TempDir()
	if _, err := s.repair(t, to, Wanted{}); !isA[*RepairError](err) {
		t.Error(err)
	}
	same(t, to, files(t, s.drive))
}

// TestParityRoomTogether: drives on one file system share its room, which is known before the first byte.
func TestParityRoomTogether(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	with, size := s.copies(t), 0
	ratio, parity := ParityRatio{Parity: 1, Data: 2}, 0
	for _, all := range s.protectAcross(t, with, ratio) {
		for name, body := range all {
			if seal.IsParityFile(name) {
				parity += len(body)
			} else {
				size += len(body) + 4096
			}
		}
	}
	root, _ := tmpfs(t, fmt.Sprintf("%dk", (size+parity*2/3)>>10))
	var dirs []string
	for _, d := range s.dirs {
		dirs = append(dirs, filepath.Join(root, filepath.Base(d)))
		write(t, dirs[len(dirs)-1], files(t, d))
	}
	_, err := AddParityAcross(context.Background(), dirs, Wanted{}, ratio, 0, "1.2.3", nil)
	if !isA[*SpaceError](err) {
		t.Error(err)
	}
	for k, dir := range dirs {
		same(t, dir, files(t, s.dirs[k]))
	}
}
