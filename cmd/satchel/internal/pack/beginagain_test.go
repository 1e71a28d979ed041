package pack_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestBeginAgain begins no second bundle while one waits for its next drive, and loses a drive that was begun: another one takes its place, and what is finished stays. The lost one turns
// up again, and is told to be a left-over.
func TestBeginAgain(t *testing.T) {
	t.Parallel()
	b, small := newSpread(t, 340)
	options := func(dirs ...string) pack.Options {
		o := small(dirs...)
		o.Drives.Size = 5 << 20
		return o
	}
	slot := options("slot").Dir
	tmpfs(t, slot, "size=64m")
	var finished string // where the drives went that left
	leave := func() {
		t.Helper()
		to := filepath.Join(t.TempDir(), "away")
		list, err := filepath.Glob(filepath.Join(slot, "satchel-*"))
		if err != nil || len(list) != 1 {
			t.Fatalf("%q, %v", list, err)
		}
		if err := errors.Join(os.CopyFS(filepath.Join(to, filepath.Base(list[0])), os.DirFS(list[0])), os.RemoveAll(list[0])); err != nil {
			t.Fatal(err)
		}
		finished = to
	}
	var wanted *pack.NextDriveError
	if _, err := pack.Run(t.Context(), options("slot")); !errors.As(err, &wanted) || wanted.Begun {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	leave()
	dirs := []string{finished}
	addedParity(t, b, options, wanted)
	besideWaiting(t, b, options, wanted.Label)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	b.Proxy.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			if asked++; asked > 1 {
				cancel() // in the middle of drive 2
			}
		}
		return false
	}
	o := options("slot")
	o.ParallelBlobs, o.Restart = 1, true // of what is in the slot, which is in the way
	if _, err := pack.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	b.Proxy.Answer = nil
	if log := b.Log.String(); strings.Count(log, "deleted the unfinished bundle ") != 1 || !strings.Contains(log, "waits for drive "+wanted.Label+", and goes on") {
		t.Errorf("what was in the slot is deleted, and nothing else:\n%s", log)
	}
	leave()
	lost := finished
	for _, agree := range []func(context.Context, string) (bool, error){nil, func(context.Context, string) (bool, error) { return false, nil }} {
		o := options("slot")
		o.Restart, o.Agree = true, agree
		var waiting *pack.WaitingError
		if _, err := pack.Run(t.Context(), o); !errors.As(err, &waiting) || !waiting.Restart || waiting.Next != wanted.Label {
			t.Fatalf("a finished drive is of no use any more, and nobody has agreed: %v", err)
		}
	}
	if _, err := pack.Run(t.Context(), options("slot")); !errors.As(err, &wanted) || !wanted.Begun || !strings.Contains(wanted.Hint(), "cannot come back") {
		t.Fatalf("the drive that was begun is lost: %v", err)
	}
	o = options("slot")
	o.BeginAgain = "AAAAAAAA-2"
	if _, err := pack.Run(t.Context(), o); !errors.As(err, new(*pack.NoDriveError)) {
		t.Errorf("a label of another bundle: %v", err)
	}
	o.BeginAgain = strings.TrimSuffix(wanted.Label, "-2") + "-1"
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &wanted) || !strings.Contains(b.Log.String(), "-1 is finished, and is not begun again") {
		t.Errorf("a finished drive: %v", err)
	}
	o.BeginAgain = wanted.Label
	if err := os.CopyFS(slot, os.DirFS(dirs[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &wanted) || !wanted.Begun || strings.Contains(b.Log.String(), wanted.Label+" is begun again") {
		t.Errorf("a finished drive is in the slot, and nothing else: what the other one has is kept: %v\n%s", err, b.Log)
	}
	leave()
	o = options("slot")
	o.NextDrive = func(_ context.Context, e *pack.NextDriveError) (string, error) {
		if e.Begun {
			return "", pack.ErrBeginAgain
		}
		leave()
		dirs = append(dirs, finished)
		return e.Dir, nil
	}
	done, err := pack.Run(t.Context(), o)
	if err != nil || !strings.Contains(b.Log.String(), "-2 is begun again") || !strings.Contains(b.Log.String(), "can be deleted (satchel-") {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	r, err := bundle.Verify(t.Context(), append(dirs, slot), bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil || len(r.Drives) < 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if log := b.Log.String(); strings.Contains(log, "everything is in memory") || !strings.Contains(log, "not here, and not looked at now: ") {
		t.Errorf("all but the last drive were unmounted:\n%s", log)
	}
	for dir, sealed := range map[string]bool{lost: false, dirs[0]: true} { // by this, readers know the left-over
		list, _, err := bundle.List(dir, "")
		if err != nil || len(list) != 1 || list[0].Sealed != sealed || list[0].Of < 2 || errors.As(list[0].Err, new(*bundle.UnfinishedError)) == sealed {
			t.Errorf("%s: %+v, %v", dir, list, err)
		}
	}
	wrong := &bundle.WrongDriveError{Dir: "slot", Want: "X-3", Have: "X-2", Finished: true, LeftOver: "slot/satchel-x"}
	if s := (&pack.NextDriveError{Label: "X-3", Dir: "slot", Why: wrong}).Error(); s != wrong.Error() || !strings.Contains(s, "left-over") {
		t.Error(s)
	}
}

// besideWaiting forgets flags while a bundle waits for its next drive: no second one is begun before somebody agrees.
func besideWaiting(t *testing.T, b *jobtest.Bench, options func(dirs ...string) pack.Options, next string) {
	t.Helper()
	other := options("other")
	other.Drives.Size, other.Dirs = 0, nil
	tmpfs(t, other.Dir, "size=64m")
	coarse := options("slot")
	coarse.Job.SegmentSize = 2 * bundle.MinSegmentSize
	coarse.Mirror = oci.Mirror{Host: "mirror.example"}
	for how, o := range map[string]pack.Options{"with --drive-size 5MiB": other, "with another configuration, list of images, mirror": coarse} {
		var waiting *pack.WaitingError
		if _, err := pack.Run(t.Context(), o); !errors.As(err, &waiting) || waiting.Next != next || len(waiting.Finished) != 1 || !strings.Contains(err.Error(), how) {
			t.Fatalf("%s: %v\n%s", how, err, b.Log)
		}
	}
	coarse = options("slot")
	coarse.Job.SegmentSize = 2 * bundle.MinSegmentSize
	coarse.Agree = func(context.Context, string) (bool, error) { return true, nil }
	stopAt(t, b, coarse, filepath.Join(coarse.Dir, "satchel-*", "s-*"))
	if log := b.Log.String(); !strings.Contains(log, "it was begun with segments of 1MiB") {
		t.Errorf("the bundle that waits is not named:\n%s", log)
	}
}

// addedParity asks for parity when a drive is finished without it: that is said, and its room is counted before the first byte.
func addedParity(t *testing.T, b *jobtest.Bench, options func(dirs ...string) pack.Options, wanted *pack.NextDriveError) {
	t.Helper()
	o := options("slot")
	o.Job.Parity = bundle.ParityRatio{Parity: 2, Data: 4}
	ballast(t, o.Dir, wanted.Need+128<<10)
	var space *bundle.SpaceError
	var now *pack.NextDriveError
	if _, err := pack.Run(t.Context(), o); !errors.As(err, &now) || !errors.As(err, &space) || now.Need <= wanted.Need {
		t.Errorf("no room for parity: %v\n%s", err, b.Log)
	}
	first := strings.TrimSuffix(wanted.Label, "-2") + "-1"
	if log := b.Log.String(); !strings.Contains(log, "finished without parity: "+first+"; add it") || !strings.Contains(log, "leave out --parity") {
		t.Errorf("not said:\n%s", log)
	}
	if err := os.Remove(filepath.Join(o.Dir, "ballast")); err != nil {
		t.Fatal(err)
	}
}

// emptied takes the drive of a bundle out of a slot.
func emptied(slot string) error {
	list, err := filepath.Glob(filepath.Join(slot, "satchel-*"))
	for _, dir := range list {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// TestBegunElsewhere lets drives of other kinds take turns in a slot, and goes on without the place in which a drive was begun.
func TestBegunElsewhere(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 341)
	o := options("slot")
	slot, base, other := o.Dir, o.Dir+".base", options("other").Dir
	tmpfs(t, base, "size=64m")
	tmpfs(t, other, "size=64m")
	for _, dir := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := proctest.Command(t, "mount", "-t", "overlay", "-o", "lowerdir="+base+"/lower,upperdir="+base+"/upper,workdir="+base+"/work", "satchel-test", slot).CombinedOutput(); err != nil {
		t.Skipf("mounting an overlay is not permitted here: %s", out)
	}
	errStop := errors.New("nobody is there any more")
	o.NextDrive = func(_ context.Context, e *pack.NextDriveError) (string, error) {
		switch e.Label[len(e.Label)-2:] {
		case "-2":
			release(t, "umount", slot)
			tmpfs(t, slot, "size=64m")
		case "-4": // the last one
			return "", errStop
		}
		return e.Dir, emptied(slot)
	}
	if _, err := pack.Run(t.Context(), o); !errors.Is(err, errStop) {
		t.Fatalf("a tmpfs after another kind of drive: %v\n%s", err, b.Log)
	}
	stopAt(t, b, options("other"), filepath.Join(other, "satchel-*", "s-*"))
	var wanted *pack.NextDriveError
	if err := emptied(slot); err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Run(t.Context(), options("slot")); !errors.As(err, &wanted) || !strings.Contains(err.Error(), "it was begun in "+other) || !strings.Contains(wanted.Hint(), "is in "+other+" now: name that directory too") {
		t.Errorf("drive 4 was begun elsewhere: %v", err)
	}
	release(t, "umount", slot)
	var mount *bundle.MountError
	if _, err := pack.Run(t.Context(), options("slot")); !errors.As(err, &mount) || mount.Dir != slot {
		t.Errorf("nothing is mounted in the slot: %v", err)
	}
	release(t, "mount", "-t", "tmpfs", "satchel-test", slot) // which the cleanup unmounts
}
