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
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
)

// TestBeginAgain loses a drive that was begun: another one takes its place, and what is finished stays. The lost one turns
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
	o.ParallelBlobs = 1
	if _, err := pack.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	b.Proxy.Answer = nil
	leave()
	lost := finished
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
