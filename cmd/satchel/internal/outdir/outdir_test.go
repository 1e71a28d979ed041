package outdir

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
)

func set(pairs ...string) (files []manifests.File) {
	for i := 0; i < len(pairs); i += 2 {
		files = append(files, manifests.File{Name: pairs[i], Mode: 0o600, Body: []byte(pairs[i+1])})
	}
	return files
}

// held reads a directory: content by name.
func held(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func writeOut(t *testing.T, dir string, files []manifests.File) error {
	t.Helper()
	o, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o.Write(files)
}

// TestNames: a file that the next run would not know for its own is not written.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"APPLY.md": true, "hostedcluster/rules.txt": true, "gitops/fleet/policy.yaml": true, "elsewhere/a.yaml": false, "a/b/c/d.yaml": false} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := writeOut(t, dir, set(name, "body")); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Open(dir); err != nil {
			t.Errorf("%s, the next run: %v", name, err)
		}
	}
}

// TestLook: what is gone or cut short is told from what is whole.
func TestLook(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	if err := writeOut(t, dir, set("APPLY.md", "first\nsecond\n", "a.yaml", "a", "restore/b.yaml", "b")); err != nil {
		t.Fatal(err)
	}
	look := func(want string) {
		t.Helper()
		s, err := Look(dir)
		if got := fmt.Sprint(s.Gone, s.Changed, s.Cut, err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	look("[] [] false <nil>")
	for body, cut := range map[string]bool{"first\r\n second\r\n": false, "first: done\nsecond\n\nof Monday\n": false, "first\nsec": true, "": true} {
		if err := os.WriteFile(filepath.Join(dir, "APPLY.md"), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		look(fmt.Sprintf("[] [APPLY.md] %t <nil>", cut))
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "APPLY.md"), []byte("first\n"), 0o600), os.Remove(filepath.Join(dir, "restore/b.yaml"))); err != nil {
		t.Fatal(err)
	}
	look("[restore/b.yaml] [APPLY.md] true <nil>")
	if err := os.Remove(filepath.Join(dir, outList)); err != nil {
		t.Fatal(err)
	}
	look("[] [] false <nil>")
}

func TestOutDirReplacesItsOwnSet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "out")
	if err := writeOut(t, dir, set("icsp-1.yaml", "one", "restore/b.md", "two", "kept.yaml", "three", "gitops/drains/c.yaml", "four")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "kept.yaml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("a note of the user's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeOut(t, dir, set("icsp-2.yaml", "1", "kept.yaml", "3")); err != nil {
		t.Fatal(err)
	}
	got := held(t, dir)
	delete(got, outList)
	if want := map[string]string{"icsp-2.yaml": "1", "kept.yaml": "3", "mine.txt": "a note of the user's"}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, gone := range []string{"restore", "gitops"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("%s of the earlier set is still there, empty", gone)
		}
	}
}

func TestOutDirLeavesWhatIsNotItsOwn(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other); !refused(err) {
		t.Errorf("a directory of someone else's: %v", err)
	}
	file := filepath.Join(other, "thesis.tex")
	for _, dir := range []string{file, filepath.Join(file, "out")} {
		if _, err := Open(dir); !refused(err) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	dir := t.TempDir()
	if err := writeOut(t, dir, set("a.yaml", "one", "b.yaml", "two")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.yaml"), []byte("two, by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := held(t, dir)
	if err := writeOut(t, dir, set("a.yaml", "1")); !refused(err) || !strings.Contains(err.Error(), "b.yaml") {
		t.Errorf("a file that was changed by hand: %v", err)
	}
	if after := held(t, dir); !maps.Equal(before, after) {
		t.Errorf("refused, and yet it became %v", after)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte("the user's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeOut(t, dir, set("a.yaml", "one", "b.yaml", "two, by hand", "c.yaml", "ours")); !refused(err) {
		t.Errorf("a file of the user's was overwritten: %v", err)
	}
}

// TestOutDirAfterCrash stops a replacement after every one of its steps; the next
// run must take what is there for its own, and finish.
func TestOutDirAfterCrash(t *testing.T) {
	old, news := set("a.yaml", "one", "b.yaml", "two", "restore/c.md", "three", "gitops/drains/c.yaml", "four"), set("a.yaml", "1", "d.yaml", "4")
	for _, first := range []bool{true, false} {
		for step := 0; ; step++ {
			dir := filepath.Join(t.TempDir(), "out")
			if !first {
				if err := writeOut(t, dir, old); err != nil {
					t.Fatal(err)
				}
			}
			o, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			whole := replay(t, o, news, step)
			if err := os.WriteFile(filepath.Join(dir, outTemp+"123"), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeOut(t, dir, news); err != nil {
				t.Fatalf("first %v, after step %d: %v", first, step, err)
			}
			got := slices.Sorted(maps.Keys(held(t, dir)))
			if want := []string{outList, "a.yaml", "d.yaml"}; !slices.Equal(got, want) {
				t.Errorf("first %v, after step %d: %v", first, step, got)
			}
			if whole {
				break
			}
		}
	}
}

// replay does the first steps of [Dir.replace], and reports whether that was all.
func replay(t *testing.T, o *Dir, files []manifests.File, count int) bool {
	t.Helper()
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	steps := o.steps(files)
	for _, do := range steps[:min(count, len(steps))] {
		if err := do(root); err != nil {
			t.Fatal(err)
		}
	}
	return count >= len(steps)
}

// TestOutDirIsNoTrap has what looks like a set, or leads out of the directory:
// nothing of it is written, removed or waited for.
func TestOutDirIsNoTrap(t *testing.T) {
	write := func(name, body string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	downloads := t.TempDir()
	write(filepath.Join(downloads, "rhcos.iso"), "iso")
	write(filepath.Join(downloads, "SHA256SUMS"), hexSum([]byte("iso"))+"  rhcos.iso\n")
	if _, err := Open(downloads); !refused(err) {
		t.Errorf("a directory of downloads: %v", err)
	}
	for name, list := range map[string]string{
		"up":       outHead + "\n" + hexSum([]byte("x")) + "  ../x\n",
		"deep":     outHead + "\n" + hexSum([]byte("x")) + "  gitops/other/x\n",
		"hidden":   outHead + "\n" + hexSum([]byte("x")) + "  .bashrc\n",
		"absolute": outHead + "\n" + hexSum([]byte("x")) + "  /etc/passwd\n",
		"version":  "satchel cluster-yaml/2\n",
	} {
		dir := t.TempDir()
		write(filepath.Join(dir, outList), list)
		if _, err := Open(dir); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}

	elsewhere, dir := t.TempDir(), t.TempDir()
	write(filepath.Join(elsewhere, "README.md"), "theirs")
	write(filepath.Join(elsewhere, outTemp+"1"), "theirs")
	write(filepath.Join(dir, outList), outHead+"\n"+hexSum([]byte("theirs"))+"  restore/README.md\n")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "restore")); err != nil {
		t.Fatal(err)
	}
	before := held(t, elsewhere)
	for _, files := range [][]manifests.File{set("a.yaml", "1"), set("restore/README.md", "ours"), set("restore/new.md", "ours")} {
		if err := writeOut(t, dir, files); err == nil {
			t.Errorf("%s was written through a link", files[0].Name)
		}
	}
	if after := held(t, elsewhere); !maps.Equal(before, after) {
		t.Errorf("elsewhere became %v", after)
	}

	waiting := t.TempDir()
	write(filepath.Join(waiting, outList), outHead+"\n")
	if err := syscall.Mkfifo(filepath.Join(waiting, "a.yaml"), 0o600); err != nil {
		t.Skip(err)
	}
	if err := writeOut(t, waiting, set("a.yaml", "1")); !refused(err) {
		t.Errorf("a file that makes its reader wait: %v", err)
	}
}

// refused reports whether nothing was written because of the directory.
func refused(err error) bool {
	var r *RefusedError
	return errors.As(err, &r)
}
