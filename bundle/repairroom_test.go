package bundle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

const tmpfsPage = 4096

// pages is what files take on a tmpfs.
func pages(all map[string][]byte) (n int64) {
	for _, body := range all {
		n += roundUp(int64(len(body)), tmpfsPage)
	}
	return n
}

// TestRepairOntoSame: a drive on which the bundle just fits has room for it when it is made anew, and when a run that
// was interrupted goes on.
func TestRepairOntoSame(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	dirs := 2 * roundUp(int64(len(s.whole))*perName, tmpfsPage)
	mount, _ := tmpfs(t, fmt.Sprint(pages(s.whole)+dirs))
	to := filepath.Join(mount, "bundle")
	segment := segmentFiles(t, s.drive)[0]
	write(t, to, map[string][]byte{segment + ".tmp": s.whole[segment]})
	if r, err := s.repair(t, to, Wanted{}); err != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	same(t, to, s.whole)
}

// TestRepairFull: a drive that has no room for a segment keeps neither its own small files nor other drives from being
// repaired. What waits for room is said.
func TestRepairFull(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	dirs := s.copies(t)
	whole := s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2})
	segment := segmentFiles(t, dirs[1])[0]
	missing := map[string][]byte{segment: whole[1][segment], seal.ReadmeName: whole[1][seal.ReadmeName]}
	mount, remount := tmpfs(t, fmt.Sprint(pages(whole[1])-pages(missing)+2*tmpfsPage))
	dirs[1] = filepath.Join(mount, "bundle")
	for name, body := range whole[1] {
		if missing[name] == nil {
			write(t, dirs[1], map[string][]byte{name: body})
		}
	}
	put(t, dirs[2], seal.ReadmeName, nil)
	repair := func() (*RepairSet, error) {
		set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return set, errors.Join(set.InPlace(context.Background(), nil), set.Close())
	}
	set, err := repair()
	if full, ok := errors.AsType[*SpaceError](err); !ok || full.Dir != dirs[1] || !full.Partly || !set.Drives[2].Done || set.Drives[1].Done {
		t.Errorf("%v, %+v", err, set.Drives[1])
	}
	if m := set.Drives[1].Remedy(segment); !m.Waits || set.Drives[1].Remedy(seal.ReadmeName).Waits {
		t.Errorf("%+v", set.Drives[1].Remedies)
	}
	same(t, dirs[2], whole[2])
	if _, ok := files(t, dirs[1])[seal.ReadmeName]; !ok {
		t.Error("README.txt was not repaired")
	}
	remount(fmt.Sprintf("size=%d", pages(whole[1])+2*tmpfsPage))
	if _, err := repair(); err != nil {
		t.Error(err)
	}
	same(t, dirs[1], whole[1])
}
