package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	o, err := openOut(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o.write(files)
}

func TestOutDirReplacesItsOwnSet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "out")
	if err := writeOut(t, dir, set("icsp-1.yaml", "one", "restore/b.md", "two", "kept.yaml", "three")); err != nil {
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
	delete(got, outSums)
	if want := map[string]string{"icsp-2.yaml": "1", "kept.yaml": "3", "mine.txt": "a note of the user's"}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "restore")); err == nil {
		t.Error("a directory of the earlier set is still there, empty")
	}
}

func TestOutDirLeavesWhatIsNotItsOwn(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openOut(other); exitCode(err) != exitUsage {
		t.Errorf("a directory of someone else's: %v", err)
	}
	file := filepath.Join(other, "thesis.tex")
	for _, dir := range []string{file, filepath.Join(file, "out")} {
		if _, err := openOut(dir); exitCode(err) != exitUsage {
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
	if err := writeOut(t, dir, set("a.yaml", "1")); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "b.yaml") {
		t.Errorf("a file that was changed by hand: %v", err)
	}
	if after := held(t, dir); !maps.Equal(before, after) {
		t.Errorf("refused, and yet it became %v", after)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte("the user's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeOut(t, dir, set("a.yaml", "one", "b.yaml", "two, by hand", "c.yaml", "ours")); exitCode(err) != exitUsage {
		t.Errorf("a file of the user's was overwritten: %v", err)
	}
}

// TestOutDirAfterCrash stops a replacement after every one of its steps; the next
// run must take what is there for its own, and finish.
func TestOutDirAfterCrash(t *testing.T) {
	old, news := set("a.yaml", "one", "b.yaml", "two", "restore/c.md", "three"), set("a.yaml", "1", "d.yaml", "4")
	for _, first := range []bool{true, false} {
		for step := 0; ; step++ {
			dir := filepath.Join(t.TempDir(), "out")
			if !first {
				if err := writeOut(t, dir, old); err != nil {
					t.Fatal(err)
				}
			}
			o, err := openOut(dir)
			if err != nil {
				t.Fatal(err)
			}
			whole := replay(t, o, news, step)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, outTemp+"123"), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeOut(t, dir, news); err != nil {
				t.Fatalf("first %v, after step %d: %v", first, step, err)
			}
			got := slices.Sorted(maps.Keys(held(t, dir)))
			if want := []string{outSums, "a.yaml", "d.yaml"}; !slices.Equal(got, want) {
				t.Errorf("first %v, after step %d: %v", first, step, got)
			}
			if whole {
				break
			}
		}
	}
}

// replay does the first steps of [outDir.write], and reports whether that was all.
func replay(t *testing.T, o *outDir, files []manifests.File, steps int) bool {
	t.Helper()
	list := []func() error{func() error { return o.put(outSums, 0o644, append(o.sums(), sumsOf(files)...)) }}
	for _, f := range files {
		list = append(list, func() error { return o.put(f.Name, f.Mode, f.Body) })
	}
	list = append(list, func() error { return o.dropOld(files) }, func() error { return o.put(outSums, 0o644, sumsOf(files)) })
	for _, do := range list[:min(steps, len(list))] {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	return steps >= len(list)
}
