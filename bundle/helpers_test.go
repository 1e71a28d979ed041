package bundle

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// soak reports whether the full counts are asked for.
func soak() bool { return os.Getenv("SATCHEL_SOAK") != "" }

// files gives every file below dir with its bytes.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// write makes the files below dir.
func write(t testing.TB, dir string, all map[string][]byte) {
	t.Helper()
	for name, body := range all {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, body, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// same fails unless dir has exactly the files of want.
func same(t testing.TB, dir string, want map[string][]byte) {
	t.Helper()
	got := files(t, dir)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if body, ok := got[name]; !ok {
			t.Errorf("%s is gone", name)
		} else if !bytes.Equal(body, want[name]) {
			t.Errorf("%s was changed", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s was added", name)
		}
	}
}

// clone is the fixture with a drive and a state that are copies of what they are now.
func (f *fixture) clone(t testing.TB) *fixture {
	t.Helper()
	c := *f
	c.drive, c.state = filepath.Join(t.TempDir(), "drive"), t.TempDir()
	if err := os.Mkdir(c.drive, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, c.drive, files(t, f.drive))
	write(t, c.state, files(t, f.state))
	return &c
}

// finish resumes the bundle to its end and checks it.
func (f *fixture) finish(t testing.TB) {
	t.Helper()
	f.pack(t)
	f.check(t)
}

// journal is the path of the one journal in the fixture's state.
func (f *fixture) journal(t testing.TB) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(f.state, "bundles", "*", "journal"))
	if err != nil || len(list) != 1 {
		t.Fatalf("journals %v, %v", list, err)
	}
	return list[0]
}

// away makes it look as if the drive was unplugged since the last run.
func (f *fixture) away(t testing.TB) {
	t.Helper()
	body, err := os.ReadFile(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.ReplaceAll(body, []byte(`"mount":"`), []byte(`"mount":"of another day `))
	if bytes.Equal(changed, body) {
		t.Fatal("the journal has no session")
	}
	if err := os.WriteFile(f.journal(t), changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

// segmentFiles lists the segments that stand in dir.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	for name := range files(t, dir) {
		if _, ok := seal.ParseSegment(name); ok {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// has asks the writer for a blob.
func has(t testing.TB, w *Writer, d oci.Descriptor) bool {
	t.Helper()
	ok, err := w.Has(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// need skips the test unless the program is there.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}

// tmpfs mounts a file system of its own, of size bytes as mount writes them,
// and gives a function that mounts it again with other options.
func tmpfs(t testing.TB, size string) (dir string, remount func(options string)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	need(t, "mount")
	dir = t.TempDir()
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", "size="+size, "satchel-test", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := proctest.Command(t, "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	return dir, func(options string) {
		t.Helper()
		if out, err := proctest.Command(t, "mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
			t.Fatalf("remount with %s: %s", options, out)
		}
	}
}

// mountTmpfs mounts a tmpfs until unmount is called, or the test ends.
func mountTmpfs(t testing.TB, dir string) (unmount func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	need(t, "mount")
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "satchel-test", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
	unmount = sync.OnceFunc(func() {
		if out, err := proctest.Command(t, "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	t.Cleanup(unmount)
	return unmount
}

// run runs a program and gives what it says on stdout.
func run(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	cmd := proctest.Command(t, program, args...)
	cmd.Dir = dir
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, complaint.String())
	}
	return out.String()
}

// errOf gives the error of two results.
func errOf[T any](_ T, err error) error { return err }
