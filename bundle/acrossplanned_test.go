package bundle

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
)

// TestAcrossAsPlanned writes a set of discs with parity across them: each has what was planned, and
// not more than it holds. Each of two is lost and made anew from the others.
func TestAcrossAsPlanned(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 7<<20)
	s.job.Parity, s.job.Mounted, s.job.Lanes = ParityRatio{Parity: 10, Data: 20}, MaxDrives, 1
	n := len(s.spread(t).Drives)
	if has := s.job.Spread.Forecast.Protections(); n < 3 || len(has) != 1 || has[0].Whole != 1 {
		t.Fatalf("%d drives, %+v", n, has)
	}
	w := s.open(t, s.places[:n])
	for k := 1; k <= n; k++ {
		if err := s.fillDrive(t.Context(), t, w, k); err != nil {
			t.Fatal(err)
		}
		if k == 1 {
			w = s.resumedOtherwise(t, w, n)
		}
	}
	fp := s.end(t, w)
	if _, err := AddParityAcross(t.Context(), s.places[:n], Wanted{Expect: fp}, s.job.Parity, 0, s.job.Version, nil); err != nil {
		t.Fatal(err)
	}
	s.asPlannedAcross(t, n)
	for _, k := range []int{1, n - 1} {
		whole := files(t, s.places[k])
		set, err := FindRepairs(context.Background(), without(s.places[:n], k), Wanted{Expect: fp}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := set.Target()
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "new")
		if err := r.Into(context.Background(), to, nil); err != nil {
			t.Fatal(err)
		}
		same(t, to, whole)
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}

	// Too little for a whole drive, or drives that go one after another: each has its own.
	for _, c := range []struct {
		parity  ParityRatio
		mounted int
	}{{ParityRatio{Parity: 1, Data: 20}, MaxDrives}, {ParityRatio{Parity: 2, Data: 4}, 1}} {
		s.job.Parity, s.job.Mounted, s.job.Spread = c.parity, c.mounted, nil
		if has := s.spread(t).Forecast.Protections(); len(has) < 2 || has[0].Whole > 0 {
			t.Errorf("%s, %d mounted: %+v", c.parity, c.mounted, has)
		}
	}
}

// resumedOtherwise resumes a bundle that was begun for parity across its drives in other ways than it was
// begun: where that parity cannot be added in the end, it is refused.
func (s *shelf) resumedOtherwise(t *testing.T, w *Writer, n int) *Writer {
	t.Helper()
	if err := w.Close(); err != nil || !w.Across() {
		t.Fatalf("across: %t, %v", w.Across(), err)
	}
	begun := s.job
	defer func() { s.job = begun }()
	s.job.Mounted = n - 1
	if _, err := ResumeOn(t.Context(), s.places[:n], s.state, s.job, nil); !isA[*RefusedError](err) {
		t.Errorf("with fewer places: %v", err)
	}
	s.job = begun
	s.job.Parity = ParityRatio{Parity: 1, Data: 20}
	if _, err := ResumeOn(t.Context(), s.places[:n], s.state, s.job, nil); !isA[*RefusedError](err) {
		t.Errorf("with too little: %v", err)
	}
	s.job.Parity, s.job.Mounted = ParityRatio{}, 1
	if w = s.open(t, s.places[:n]); w.Across() {
		t.Error("without --parity")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.job = begun
	return s.open(t, s.places[:n])
}

// asPlannedAcross looks at what stands on the drives: none has more than it holds, nor than was said.
func (s *shelf) asPlannedAcross(t *testing.T, n int) {
	t.Helper()
	for k := range n {
		var onDrive int64
		for _, body := range files(t, s.places[k]) {
			onDrive += roundUp(int64(len(body)), 4096)
		}
		if need := s.job.Spread.Drives[k].Need; onDrive > need || need > s.room.of(k + 1)[k].Free {
			t.Errorf("drive %d takes %d, %d were said, of %d", k+1, onDrive, need, s.room.of(k + 1)[k].Free)
		}
	}
}

// TestAcrossRoom: drives on one file system share its room, and no drive has more than it was to get.
func TestAcrossRoom(t *testing.T) {
	t.Parallel()
	first, _ := tmpfs(t, "16m")
	other, _ := tmpfs(t, "4m")
	var dirs []*media.Dir
	for _, path := range []string{filepath.Join(first, "a"), filepath.Join(first, "b"), other} {
		write(t, path, map[string][]byte{"s-00-00001.age": make([]byte, 1<<20), "drive.json": make([]byte, 64<<10)})
		d, err := media.OpenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }() // nothing was written
		dirs = append(dirs, d)
	}
	const mib = 1 << 20
	for most, want := range map[int64][3]int64{0: {8 * mib, 8 * mib, 4 * mib}, 6 * mib: {6 * mib, 6 * mib, 4 * mib}, 3 * mib: {3 * mib, 3 * mib, 3 * mib}} {
		room, err := acrossRoom(dirs, most)
		if err != nil || len(room) != 3 {
			t.Fatalf("%v, %v", room, err)
		}
		for k, n := range room {
			if n > want[k] || n < want[k]-mib/2 {
				t.Errorf("at most %d each: drive %d has room for %d, want about %d", most, k+1, n, want[k])
			}
		}
	}
}
