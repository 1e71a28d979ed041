package powertest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/oci/powertest"
)

// must ends the test on an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// put writes a file, and syncs it or not.
func put(t *testing.T, name, body string, sync bool) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(t, err)
	_, err = f.WriteString(body)
	if sync {
		err = errors.Join(err, f.Sync())
	}
	must(t, err, f.Close())
}

func syncDir(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	must(t, f.Sync(), f.Close())
}

// prepared is a disk on which some things are synced and others are not.
func prepared(t *testing.T) *powertest.Disk {
	t.Helper()
	d := powertest.Mount(t, "a", "b")
	a := d.Path("a")
	long := strings.Repeat("x", 10000)
	for _, name := range []string{"safe", "removed", "old", "grown", "replaced"} {
		put(t, filepath.Join(a, name), "synced "+name, true)
	}
	must(t, os.Mkdir(filepath.Join(a, "dir"), 0o755))
	put(t, filepath.Join(a, "unsynced"), long, false)
	put(t, filepath.Join(a, "replaced.tmp"), "never synced", false)
	must(t, os.Rename(filepath.Join(a, "replaced.tmp"), filepath.Join(a, "replaced")))
	syncDir(t, a)
	put(t, filepath.Join(a, "dir", "inside"), "synced", true) // its name is not
	must(t, os.Remove(filepath.Join(a, "removed")))
	must(t, os.Rename(filepath.Join(a, "old"), filepath.Join(a, "new")))
	put(t, filepath.Join(a, "grown"), " and more", false)
	must(t, os.Truncate(filepath.Join(a, "safe"), 0), os.WriteFile(filepath.Join(a, "safe"), []byte("synced safe"), 0o644))
	put(t, filepath.Join(a, "safe"), "", true)
	put(t, filepath.Join(d.Path("b"), "other"), "b", false)
	return d
}

// read gives the files of a loss; one that is not there has "none".
func read(t *testing.T, d *powertest.Disk, cut powertest.Cut) map[string]string {
	t.Helper()
	dir := t.TempDir()
	d.Lose(t, cut, dir)
	got := map[string]string{}
	for _, name := range []string{"a/safe", "a/removed", "a/old", "a/new", "a/grown", "a/unsynced", "a/replaced", "a/replaced.tmp", "a/dir", "a/dir/inside", "b/other"} {
		body, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, syscall.EISDIR):
			got[name] = "directory"
		case err != nil:
			got[name] = "none"
		default:
			got[name] = string(body)
		}
	}
	return got
}

// TestNothingSurvives has exactly what was synced, and TestEverything all.
func TestNothingSurvives(t *testing.T) {
	t.Parallel()
	d := prepared(t)
	for loss, want := range map[powertest.Loss]map[string]string{
		powertest.Nothing: {"a/safe": "synced safe", "a/removed": "synced removed", "a/old": "synced old", "a/new": "none", "a/grown": "synced grown", "a/unsynced": "",
			"a/replaced": "", "a/replaced.tmp": "none", "a/dir": "directory", "a/dir/inside": "none", "b/other": "none"},
		powertest.Everything: {"a/removed": "none", "a/old": "none", "a/new": "synced old", "a/grown": "synced grown and more", "a/unsynced": strings.Repeat("x", 10000),
			"a/replaced": "never synced", "a/dir/inside": "synced", "b/other": "b"},
		powertest.Zeroed: {"a/removed": "none", "a/new": "synced old", "a/grown": "synced grown" + strings.Repeat("\x00", 9), "a/unsynced": strings.Repeat("\x00", 10000),
			"a/replaced": strings.Repeat("\x00", 12), "a/dir/inside": "synced"},
	} {
		got := read(t, d, powertest.Cut{After: d.Steps(), Loss: loss})
		for name, body := range want {
			if got[name] != body {
				t.Errorf("%s: %s holds %.40q, want %.40q", loss, name, got[name], body)
			}
		}
	}
	spared := read(t, d, powertest.Cut{After: d.Steps(), Spare: "a"})
	if spared["a/unsynced"] != strings.Repeat("x", 10000) || spared["b/other"] != "none" {
		t.Error("what is spared lost something, or the rest nothing")
	}
	lied := read(t, d, powertest.Cut{After: d.Steps(), Loss: powertest.Everything, Early: map[string]int{"a": 0}})
	if lied["a/safe"] != "none" || lied["b/other"] != "b" {
		t.Error("a device that lies about syncs kept what it got, or the other one nothing")
	}
}

// TestNeverWhatWasSynced loses power in many ways: what was synced is always there, and of each
// thing that was not, more than one outcome is seen.
func TestNeverWhatWasSynced(t *testing.T) {
	t.Parallel()
	d := prepared(t)
	seen := map[string]map[string]bool{}
	for _, loss := range []powertest.Loss{powertest.Torn, powertest.Mixed} {
		for seed := range uint64(60) {
			cut := powertest.Cut{After: d.Steps(), Loss: loss, Seed: seed}
			got := read(t, d, cut)
			if got["a/safe"] != "synced safe" || got["a/dir"] != "directory" || !strings.HasPrefix(got["a/grown"], "synced grown") || got["a/replaced.tmp"] != "none" {
				t.Fatalf("%s, seed %d: what was synced is lost: %.40q", loss, seed, got)
			}
			if got["a/old"] == "none" && got["a/new"] == "none" {
				t.Fatalf("%s, seed %d: a file that was renamed has no name", loss, seed)
			}
			for name, body := range got {
				if seen[name] == nil {
					seen[name] = map[string]bool{}
				}
				seen[name][body] = true
			}
		}
	}
	for name, least := range map[string]int{"a/removed": 2, "a/old": 2, "a/new": 2, "a/grown": 3, "a/unsynced": 10, "a/replaced": 3, "a/dir/inside": 2, "b/other": 2} {
		if len(seen[name]) < least {
			t.Errorf("of %s only %d outcomes were seen", name, len(seen[name]))
		}
	}
	again := powertest.Cut{After: d.Steps(), Loss: powertest.Mixed, Seed: 5}
	if a, b := read(t, d, again), read(t, d, again); a["a/unsynced"] != b["a/unsynced"] || a["a/grown"] != b["a/grown"] {
		t.Error("the same seed gives something else")
	}
}

// TestFaults has operations answered with errors, and writes done by half.
func TestFaults(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t, "a")
	name := filepath.Join(d.Path("a"), "file")
	d.Fail(func(op, _ string, n int) syscall.Errno {
		if op == "write" && n < 4 {
			return powertest.Short
		}
		return 0
	})
	put(t, name, "in several writes", true)
	if body, err := os.ReadFile(name); err != nil || !bytes.Equal(body, []byte("in several writes")) {
		t.Errorf("after short writes: %q, %v", body, err)
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.ENODEV} {
		d.Fail(func(op, _ string, _ int) syscall.Errno {
			if op == "create" {
				return errno
			}
			return 0
		})
		if err := os.WriteFile(filepath.Join(d.Path("a"), "other"), nil, 0o644); !errors.Is(err, errno) {
			t.Errorf("%v, want %v", err, errno)
		}
	}
	d.Fail(nil)
	put(t, filepath.Join(d.Path("a"), "other"), "x", true)
}
