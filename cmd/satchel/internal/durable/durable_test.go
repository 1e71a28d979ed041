package durable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

func holds(t *testing.T, name, want string) {
	t.Helper()
	body, err := os.ReadFile(name)
	info, serr := os.Stat(name)
	if err := errors.Join(err, serr); err != nil || string(body) != want || info.Mode().Perm() != 0o600 {
		t.Errorf("%s holds %q with %v, %v", name, body, info.Mode(), err)
	}
}

// TestWrite replaces a file by another one, through a link too, and leaves nothing else.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, link := filepath.Join(dir, "list"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(name, []byte("old"), 0o644), os.Symlink("list", link)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(name) // as a reader has it that began earlier
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	for _, to := range []string{name, link} {
		if err := durable.Write(to, []byte("new at "+to)); err != nil {
			t.Fatal(err)
		}
		holds(t, name, "new at "+to)
	}
	if old, err := io.ReadAll(before); err != nil || string(old) != "old" {
		t.Errorf("the old file was written to: %q, %v", old, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("the directory has %v, %v", list, err)
	}
	if err := durable.Write(os.DevNull, []byte("x")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s was replaced: %v, %v", os.DevNull, info, err)
	}
}

// TestWriteInPlace writes into files that cannot be replaced.
func TestWriteInPlace(t *testing.T) {
	t.Parallel()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.WriteString("what is longer than the new text")
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), []byte("new")); err != nil {
		t.Error(err)
	}
	if body, err := io.ReadAll(io.NewSectionReader(f, 0, 100)); err != nil || string(body) != "new" {
		t.Errorf("the file without a name has %q, %v", body, err)
	}
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "inside"), filepath.Join(dir, "outside")
	if err := errors.Join(os.WriteFile(inside, []byte("old"), 0o600), os.WriteFile(outside, []byte("old"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(outside, inside, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("a file cannot be mounted here: %v", err)
	}
	err = durable.Write(inside, []byte("new"))
	if err := errors.Join(err, syscall.Unmount(inside, 0)); err != nil {
		t.Error(err)
	}
	holds(t, outside, "new")
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("the directory has %v, %v", list, err)
	}
}

// TestWriteFails leaves the old file, and nothing of the new one.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := durable.Write(filepath.Join(dir, "missing", "list"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("the directory has %v, %v", list, err)
	}
}

// TestCreate never overwrites.
func TestCreate(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "key")
	if err := durable.Create(name, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(name, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	holds(t, name, "first")
}

// TestAppend adds lines from several places at once; one that a crash cut off spoils no other.
func TestAppend(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	name := filepath.Join(dir, "notes")
	add := func(line string) error {
		return durable.Alone(dir, func() error { return durable.Append(name, []byte(line)) })
	}
	if err := add("one\n"); err != nil {
		t.Fatal(err)
	}
	holds(t, name, "one\n")
	if err := errors.Join(add("tw"), add("three\n"), add("four\n")); err != nil {
		t.Fatal(err)
	}
	holds(t, name, "one\ntw\nthree\nfour\n")
	if err := durable.Alone(filepath.Join(name, "c"), nil); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// TestSweep has each write remove what a crash left of others, and nothing that is being
// written, or that has another name.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{durable.Temp + "1", durable.Temp + "mine", durable.Temp} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.Create(filepath.Join(dir, durable.Temp+"2"))
	if err != nil || !durable.Own(written) {
		t.Fatal(err)
	}
	defer written.Close()
	if err := durable.Write(filepath.Join(dir, "gaps.json"), nil); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 4 {
		t.Errorf("left: %v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(dir, durable.Temp+"1")); err == nil {
		t.Error("what was left over is still there")
	}
}
