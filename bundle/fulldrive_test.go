package bundle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// filling has a drive run full once so many bytes of a job are done.
func filling(t testing.TB, dir string, at int64) func(int64) {
	var done atomic.Int64
	return func(n int64) {
		if now := done.Add(n); now < at || now-n >= at {
			return
		}
		f, err := os.Create(filepath.Join(dir, "ballast"))
		if err != nil {
			t.Error(err)
			return
		}
		for size := 1 << 20; size > 0; {
			if _, err := f.Write(make([]byte, size)); err != nil {
				size /= 2
			}
		}
		_ = f.Close() // a full drive fails on closing, too
	}
}

// TestFullWhileRepaired has the drive run full in the middle of parity, and of a repair in place
// and into another directory: it is said, nothing is worse, and the next run completes it.
func TestFullWhileRepaired(t *testing.T) {
	t.Parallel()
	root, _ := tmpfs(t, "64m")
	s := newSealed(t, false)
	plain := s.whole
	s.protect(t, "2/4")
	damaged := files(t, s.drive)
	delete(damaged, segmentFiles(t, s.drive)[0])
	delete(damaged, "index.age")
	damaged["p-001-01.par"] = damaged["p-001-01.par"][:100]

	for name, way := range map[string]struct {
		before map[string][]byte
		run    func(dir string, progress func(int64)) error
	}{
		"parity": {plain, func(dir string, progress func(int64)) error {
			return errOf(AddParity(context.Background(), dir, Wanted{}, ParityRatio{Parity: 2, Data: 4}, "1.2.3", progress))
		}},
		"repair": {damaged, func(dir string, progress func(int64)) error {
			r, err := FindRepair(context.Background(), dir, Wanted{}, nil)
			if err != nil {
				return err
			}
			return errors.Join(r.InPlace(context.Background(), progress), r.Close())
		}},
		"repair to": {damaged, func(dir string, progress func(int64)) error {
			r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
			if err != nil {
				return err
			}
			return errors.Join(r.Into(context.Background(), dir, progress), r.Close())
		}},
	} {
		full := 0
		for _, at := range []int64{1, 1 << 20, 3 << 20} {
			dir := filepath.Join(root, "bundle")
			before := map[string][]byte{}
			if name != "repair to" {
				write(t, dir, way.before)
				before = way.before
			} else {
				s.restoreTo(t, way.before)
			}
			err := way.run(dir, filling(t, root, at))
			if err != nil {
				full++
			}
			if err != nil && !errors.Is(err, syscall.ENOSPC) && !isA[*SpaceError](err) {
				t.Errorf("%s, full after %d: %v", name, at, err)
			}
			s.noWorse(t, dir, before)
			if err := os.Remove(filepath.Join(root, "ballast")); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if err := way.run(dir, nil); err != nil {
				t.Errorf("%s again, after %d: %v", name, at, err)
			}
			same(t, dir, s.whole)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		if full == 0 {
			t.Errorf("%s: the drive was never full", name)
		}
	}
}

// restoreTo makes the drive have these files.
func (s *sealed) restoreTo(t testing.TB, all map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(s.drive); err != nil {
		t.Fatal(err)
	}
	write(t, s.drive, all)
}

// noWorse fails unless each file of a directory is as before or as in the whole bundle, and none is gone.
func (s *sealed) noWorse(t testing.TB, dir string, before map[string][]byte) {
	t.Helper()
	now := files(t, dir)
	for name, body := range now {
		if !strings.HasSuffix(name, ".tmp") && !bytes.Equal(body, before[name]) && !bytes.Equal(body, s.whole[name]) {
			t.Errorf("%s is neither as it was nor whole", name)
		}
	}
	for name := range before {
		if _, ok := now[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
}
