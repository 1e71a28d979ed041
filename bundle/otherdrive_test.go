package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/oci"
)

// TestOddStatePath has a state directory with characters of a pattern in its name.
func TestOddStatePath(t *testing.T) {
	f := newSmall(t, false)
	f.state = filepath.Join(t.TempDir(), "[state]*\\")
	w := f.writer(t)
	if err := errors.Join(f.fill(t.Context(), w, f.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range Inventories(f.state) {
		n++
	}
	if n != 1 {
		t.Errorf("%d inventories", n)
	}
	if err := errors.Join(os.RemoveAll(f.drive), os.Mkdir(f.drive, 0o755)); err != nil {
		t.Fatal(err)
	}
	var missing *MissingError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &missing) {
		t.Errorf("the drive is away: %v", err)
	}
}

// TestForeignKeyFile leaves a file with the name of a key file where a bundle had begun: it
// is somebody's.
func TestForeignKeyFile(t *testing.T) {
	f := newSmall(t, false)
	w := started(t, f)
	file := filepath.Join(w.Dir(), "key-1.age")
	if err := errors.Join(os.Remove(filepath.Join(w.Dir(), "drive.json")), os.WriteFile(file, []byte("AGE-SECRET-KEY-1"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "key-1.age") {
		t.Errorf("%v", err)
	}
	if body, err := os.ReadFile(file); err != nil || string(body) != "AGE-SECRET-KEY-1" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestOtherDrive has another drive at the mount point of one on which a bundle was begun: it
// is in nobody's way but its own configuration's, and a restart leaves its journal.
func TestOtherDrive(t *testing.T) {
	f, _ := newMounted(t, "64m")
	w := f.writer(t)
	if err := errors.Join(f.fill(t.Context(), w, f.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	on := media.System().Of(f.drive)
	kind, _, ok := strings.Cut(on.FS, ":")
	if !ok {
		t.Skip("this system does not name the file system")
	}
	jnl, _, err := journal.Open(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	at := journal.Session{Dir: w.Dir(), Point: on.Point, FS: kind + ":another"}
	if err := errors.Join(jnl.Append(journal.Record{Session: &at}), jnl.Close(), os.RemoveAll(w.Dir())); err != nil {
		t.Fatal(err)
	}
	other := f.job
	other.Config = oci.Digest([]byte("another configuration"))
	if w, err := Resume(t.Context(), f.drive, f.state, other, nil); w != nil || err != nil {
		t.Errorf("another configuration: %v, %v", w, err)
	}
	var missing *MissingError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &missing) {
		t.Errorf("its own: %v", err)
	}
	if err := Restart(f.drive, f.state, f.job); err != nil {
		t.Error(err)
	}
	f.journal(t)
}
