package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
)

// outSums lists the files of a set, as sha256sum does; it is written last.
const outSums = "SHA256SUMS"

// outTemp begins the names of files that are not finished.
const outTemp = ".satchel-"

// outDir is the directory that the cluster's YAML is written into. It is absent,
// empty, or holds the set of an earlier run, which the new one replaces.
type outDir struct {
	dir string
	old map[string][]string // the earlier set: what each name may hold, as SHA-256 in hexadecimal
}

// openOut finds out whether a set can be written into dir, and writes nothing.
func openOut(dir string) (*outDir, error) {
	o := &outDir{dir: dir, old: map[string][]string{}}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return o, o.probe()
	}
	if err != nil {
		return nil, usage(fmt.Errorf("look into the output directory: %w", err), "--output-dir takes a directory")
	}
	sums, err := os.ReadFile(filepath.Join(dir, outSums))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !slices.ContainsFunc(entries, foreign):
		return o, o.probe()
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage(fmt.Errorf("%s is not empty, and was not written by satchel", dir), "give --output-dir a new or empty directory")
	case err != nil:
		return nil, usage(fmt.Errorf("look into the output directory: %w", err), "")
	}
	for line := range strings.Lines(string(sums)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || !fs.ValidPath(name) || name == "." {
			return nil, usage(fmt.Errorf("%s: %q is not a line that satchel wrote", filepath.Join(dir, outSums), line), "give --output-dir a new or empty directory")
		}
		o.old[name] = append(o.old[name], sum)
	}
	return o, o.probe()
}

// foreign reports whether an entry is not what a crash of satchel may leave.
func foreign(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), outTemp) }

// probe finds out whether files can be made there; a directory that it has to
// make for that is gone again afterwards.
func (o *outDir) probe() error {
	made, at := []string{}, filepath.Clean(o.dir)
	for ; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", at)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return usage(fmt.Errorf("output directory: %w", err), "--output-dir takes a directory")
		}
		made = append(made, at)
	}
	err := os.MkdirAll(o.dir, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(o.dir, outTemp); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	for _, dir := range made {
		_ = os.Remove(dir) // only what stands empty goes
	}
	if err != nil {
		return usage(fmt.Errorf("output directory: %w", err), "may this user write there?")
	}
	return nil
}

// write replaces the earlier set by files. It refuses, before anything is
// changed, if a file was changed by hand since.
func (o *outDir) write(files []manifests.File) error {
	if err := o.untouched(files); err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("write cluster YAML: %w", err)
	}
	if err := os.Chmod(o.dir, 0o700); err != nil {
		return fmt.Errorf("write cluster YAML: %w", err)
	}
	if err := o.sweep(files); err != nil {
		return err
	}
	// While files are replaced, both what they were and what they will be counts as satchel's.
	if err := o.put(outSums, 0o644, append(o.sums(), sumsOf(files)...)); err != nil {
		return err
	}
	for _, f := range files {
		if err := o.put(f.Name, f.Mode, f.Body); err != nil {
			return err
		}
	}
	if err := o.dropOld(files); err != nil {
		return err
	}
	return o.put(outSums, 0o644, sumsOf(files))
}

// sweep removes the unfinished files that a crash left where the set has files.
func (o *outDir) sweep(files []manifests.File) error {
	dirs := map[string]bool{".": true}
	for _, f := range files {
		dirs[path.Dir(f.Name)] = true
	}
	for name := range o.old {
		dirs[path.Dir(name)] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		full := filepath.Join(o.dir, filepath.FromSlash(dir))
		entries, err := os.ReadDir(full)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write cluster YAML: %w", err)
		}
		for _, e := range entries {
			if foreign(e) || !e.Type().IsRegular() {
				continue
			}
			if err := os.Remove(filepath.Join(full, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("write cluster YAML: %w", err)
			}
		}
	}
	return nil
}

func sumsOf(files []manifests.File) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", hexSum(f.Body), f.Name)
	}
	return b.Bytes()
}

// sums lists the earlier set.
func (o *outDir) sums() []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(o.old)) {
		for _, sum := range o.old[name] {
			fmt.Fprintf(&b, "%s  %s\n", sum, name)
		}
	}
	return b.Bytes()
}

// dropOld removes what the earlier set had and the new one has not.
func (o *outDir) dropOld(files []manifests.File) error {
	for name := range o.old {
		if slices.ContainsFunc(files, func(f manifests.File) bool { return f.Name == name }) {
			continue
		}
		if err := os.Remove(filepath.Join(o.dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what the earlier set had: %w", err)
		}
		if dir := path.Dir(name); dir != "." {
			_ = os.Remove(filepath.Join(o.dir, filepath.FromSlash(dir))) // only if nothing is left in it
		}
	}
	return nil
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// untouched checks that every file of the earlier set is as it was written, or
// already as it is to be, or gone, and that nobody else has files of these names.
func (o *outDir) untouched(files []manifests.File) error {
	news := map[string][]byte{}
	for _, f := range files {
		news[f.Name] = f.Body
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(o.old)), maps.Keys(news))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		body, err := os.ReadFile(filepath.Join(o.dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at the earlier set: %w", err)
		}
		if !slices.Contains(o.old[name], hexSum(body)) && !bytes.Equal(body, news[name]) {
			return usage(fmt.Errorf("%s was changed by hand since satchel wrote it", filepath.Join(o.dir, name)), "move it away, or give --output-dir another directory; nothing was written")
		}
	}
	return nil
}

// put writes one file, durable before it is visible.
func (o *outDir) put(name string, mode fs.FileMode, body []byte) (err error) {
	full := filepath.Join(o.dir, filepath.FromSlash(name))
	defer func() {
		if err != nil {
			err = fmt.Errorf("write cluster YAML: %w", err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(full), outTemp)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // nothing refers to it
	}
	return err
}
