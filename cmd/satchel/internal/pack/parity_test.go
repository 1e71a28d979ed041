package pack_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
)

// puller pulls a drive out once it was read back.
type puller struct {
	t   *testing.T
	dir string
}

func (p puller) Progress(what string, _, _ int64) notice.Progress {
	if what == "verifying" {
		return p
	}
	return filler{once: &sync.Once{}}
}

func (puller) Add(int64) {}

func (p puller) End() {
	if err := os.Rename(p.dir, p.dir+".away"); err != nil {
		p.t.Error(err)
	}
}

// TestSeveralParity gives each drive its own parity files, for which there is room on it; also where the run that goes on does not
// name them, and where a drive is pulled out before it gets them.
func TestSeveralParity(t *testing.T) {
	t.Parallel()
	b, options := newSpread(t, 311)
	o := options("staging")
	o.Job.Parity, o.Drives.Size = bundle.ParityRatio{Parity: 1, Data: 9}, 5<<20
	stopAt(t, b, o, filepath.Join(o.Dir, "drive-02", "s-*"))
	forgets := options("staging")
	forgets.Drives.Size = o.Drives.Size
	forgets.To.Reporter = puller{t, filepath.Join(o.Dir, "drive-02")}
	var gone *pack.GoneError
	if _, err := pack.Run(t.Context(), forgets); !errors.As(err, &gone) || !strings.HasSuffix(gone.Label, "-2") || !strings.Contains(gone.Hint(), "mount drive "+gone.Label) {
		t.Fatalf("pulled out before its parity: %v\n%s", err, b.Log)
	}
	if err := os.Rename(filepath.Join(o.Dir, "drive-02.away"), filepath.Join(o.Dir, "drive-02")); err != nil {
		t.Fatal(err)
	}
	forgets.To.Reporter = o.To.Reporter
	done, err := pack.Run(t.Context(), forgets)
	if err != nil || strings.Count(b.Log.String(), "taking --parity 1/9, as the bundle was begun with it") != 2 {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	dirs, err := filepath.Glob(filepath.Join(o.Dir, "drive-0*"))
	if err != nil || len(dirs) < 2 {
		t.Fatalf("%v, %v", dirs, err)
	}
	r, err := bundle.Verify(t.Context(), dirs, bundle.VerifyOptions{Expect: done.Fingerprint})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Log)
	}
	for _, d := range r.Drives {
		if d.Protection.Parity != 1 || d.Bytes > o.Drives.Size {
			t.Errorf("drive %d: %d bytes, %+v", d.Number, d.Bytes, d.Protection)
		}
	}
	if n := strings.Count(b.Log.String(), "; any 1 of"); n != len(dirs) {
		t.Errorf("said %d times\n%s", n, b.Log)
	}
	again, err := pack.Run(t.Context(), o)
	if err != nil || again.Fingerprint != done.Fingerprint {
		t.Errorf("again: %+v, %v\n%s", again, err, b.Log)
	}
}
