package pack_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// stopAt ends a run at the first blob that is asked for once a file is there that pattern names.
func stopAt(t *testing.T, b *jobtest.Bench, o pack.Options, pattern string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.Proxy.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 && strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			cancel()
		}
		return false
	}
	o.ParallelBlobs = 1
	if _, err := pack.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("not stopped: %v\n%s", err, b.Log)
	}
	b.Proxy.Answer = nil
}

// TestForgottenDriveSize resumes a bundle on a staging disk without --drive-size, with another one, without room for the drives
// that are left, and without directories that are needed: each is said, and in the end it is finished as it was begun.
func TestForgottenDriveSize(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 313)
	disk := options("disk").Dir
	tmpfs(t, disk, "size=64m")
	sized := func(size int64) pack.Options {
		o := options("disk/staging")
		o.Job.Parity, o.Drives.Size = bundle.ParityRatio{Parity: 10, Data: 20}, size
		return o
	}
	dir := sized(0).Dir
	stopAt(t, b, sized(6<<20), filepath.Join(dir, "drive-04", "s-*"))

	run := func(o pack.Options, says string) (*pack.Result, error) {
		t.Helper()
		before := len(b.Log.String())
		done, err := pack.Run(t.Context(), o)
		if log := b.Log.String()[before:]; !strings.Contains(log, says) {
			t.Errorf("%q is not said:\n%s\n%v", says, log, err)
		}
		return done, err
	}
	ballast(t, disk, 6<<20) // enough for each of the drives, and not for all
	var space *bundle.SpaceError
	if _, err := run(sized(0), "taking --drive-size 6MiB, with"); !errors.As(err, &space) || !space.Begun || space.Dir != dir {
		t.Errorf("without room for the others: %v", err)
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	gone := func(drive, says, hint string) *pack.GoneError {
		t.Helper()
		at, away := filepath.Join(dir, drive), filepath.Join(disk, "away")
		if err := os.Rename(at, away); err != nil {
			t.Fatal(err)
		}
		var gone *pack.GoneError
		if _, err := run(sized(12<<20), "--drive-size 12MiB changes nothing of this bundle"); !errors.As(err, &gone) || gone.Dir != at || !strings.Contains(err.Error(), says) || !strings.Contains(gone.Hint(), "move the directory") || !strings.Contains(gone.Hint(), hint) {
			t.Fatalf("without %s: %v", drive, err)
		}
		if _, err := os.Stat(at); err == nil {
			t.Errorf("%s is in the way of what is moved back", at)
		}
		if err := os.Rename(away, at); err != nil {
			t.Fatal(err)
		}
		return gone
	}
	gone("drive-01", "is finished, and is not in", "leave out --parity")
	lost := gone("drive-04", "was begun in", "begin that drive again")
	if err := os.RemoveAll(filepath.Join(dir, "drive-04")); err != nil {
		t.Fatal(err)
	}
	withoutDriveSize(t, filepath.Join(sized(0).State, "bundles", "*", "journal"))
	o := sized(6 << 20)
	o.BeginAgain = lost.Label
	stopAt(t, b, o, filepath.Join(dir, "drive-04", "s-*"))
	done, err := run(o, "goes on there: it is not begun again") // the same command again
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	r, err := bundle.Verify(t.Context(), []string{dir}, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || r.Protection.Whole != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// withoutDriveSize makes a journal one of an earlier version, which noted no size of drives.
func withoutDriveSize(t *testing.T, pattern string) {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	body, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	older := regexp.MustCompile(`,"driveSize":\d+,"staging":true`).ReplaceAll(body, nil)
	if len(older) == len(body) {
		t.Fatalf("the journal has no size of drives: %.300s", body)
	}
	if err := os.WriteFile(found[0], older, 0o600); err != nil {
		t.Fatal(err)
	}
}

// filler fills a drive while parity is written.
type filler struct {
	t    *testing.T
	dir  string
	once *sync.Once
}

func (f filler) Progress(what string, _, _ int64) notice.Progress {
	if what == "parity" {
		return f
	}
	return filler{once: &sync.Once{}}
}

func (f filler) Add(int64) {
	f.once.Do(func() {
		if f.dir != "" {
			ballast(f.t, f.dir, 256<<10)
		}
	})
}

func (filler) End() {}

// TestAcrossUnlikeDrives packs with parity across drives of which one is small, is stopped, resumed, and stopped by that drive,
// which runs full while parity is written. Parity goes where there is room, the last run too ends as planned, and no run is refused.
func TestAcrossUnlikeDrives(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 314)
	var refs []string
	for i := range 8 {
		refs = append(refs, b.Push(b.Content.Image(true, b.Content.Layer(3<<20+i, ocitest.LayerGzip)), "team/app", string(rune('a'+i))))
	}
	set := jobtest.Images(refs...)
	options := func() pack.Options {
		o := b.Pack(b.Prepare(set), "a")
		for _, name := range []string{"a", "b", "c"} {
			o.Dirs = append(o.Dirs, b.Pack(o.Options, name).Dir)
		}
		o.Job.SegmentSize, o.Job.Lanes, o.Job.Parity = bundle.MinSegmentSize, 1, bundle.ParityRatio{Parity: 20, Data: 20}
		return o
	}
	o := options()
	for i, size := range []string{"size=27m", "size=23m", "size=14m"} {
		tmpfs(t, o.Dirs[i], size)
	}
	stopAt(t, b, o, filepath.Join(o.Dirs[0], "satchel-*", "s-*-00002.age"))
	o = options()
	o.To.Reporter = filler{t, o.Dirs[2], &sync.Once{}}
	var drive *bundle.DriveError
	if _, err := pack.Run(t.Context(), o); !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &drive) || !strings.Contains(drive.Hint(), "make room on the drive and run the same command again") {
		t.Fatalf("the small drive is full: %v\n%s", err, b.Log)
	}
	if err := os.Remove(filepath.Join(o.Dirs[2], "ballast")); err != nil {
		t.Fatal(err)
	}
	done, err := pack.Run(t.Context(), options())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	r, err := bundle.Verify(t.Context(), o.Dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || r.Protection.Whole != 1 || len(r.Drives) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRestartWithoutDriveSize: a new bundle on the root of a drive takes that drive as it is.
func TestRestartWithoutDriveSize(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 314)
	o := options("slot")
	tmpfs(t, o.Dir, "size=64m")
	o.Drives.Size = 5 << 20
	stopAt(t, b, o, filepath.Join(o.Dir, "satchel-*", "s-*"))
	o = options("slot")
	o.Dirs, o.Drives.Size, o.Restart = nil, 0, true
	before := len(b.Log.String())
	done, err := pack.Run(t.Context(), o)
	if log := b.Log.String()[before:]; err != nil || strings.Contains(log, "--drive-size") || !strings.Contains(log, "deleted the unfinished bundle") {
		t.Fatalf("%v\n%s", err, log)
	}
	if r, err := bundle.Verify(t.Context(), []string{done.Dir}, bundle.VerifyOptions{}); err != nil || len(r.Drives) > 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
