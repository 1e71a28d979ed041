package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/satchel-airgap/satchel/manifests"
)

const (
	// outList names the file that lists a set; it is written last, and its first
	// line says that the directory is satchel's.
	outList = ".satchel-set"
	outHead = "satchel cluster-yaml/1"
	// outTemp begins the names of files that are not finished.
	outTemp = ".satchel-tmp-"

	maxOutFile = 64 << 20 // bytes; no file of a set comes near it
)

// outName is what files of a set may be called.
var outName = regexp.MustCompile(`^(restore/)?[A-Za-z0-9][A-Za-z0-9._-]*$`)

// outDir is the directory that the cluster's YAML is written into. It is absent,
// empty, or holds the set of an earlier run, which the new one replaces.
type outDir struct {
	dir string
	old map[string][]string // the earlier set: what each name may hold, as SHA-256 in hexadecimal
}

// outDirError says that the output directory could not be written.
type outDirError struct{ err error }

func (e *outDirError) Error() string { return "write cluster YAML: " + e.err.Error() }
func (e *outDirError) Unwrap() error { return e.err }

// drive reports whether it is the disk's fault.
func (e *outDirError) drive() bool {
	for _, no := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(e.err, no) {
			return true
		}
	}
	return false
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
	foreign := func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), outTemp) }
	if !slices.ContainsFunc(entries, foreign) {
		return o, o.probe()
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, usage(fmt.Errorf("look into the output directory: %w", err), "")
	}
	defer root.Close()
	if err := o.readList(root); err != nil {
		return nil, usage(err, "give --output-dir a new or empty directory")
	}
	return o, o.probe()
}

// readList reads what an earlier run wrote.
func (o *outDir) readList(root *os.Root) error {
	body, err := readRegular(root, outList)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not empty, and was not written by satchel", o.dir)
	}
	if err != nil {
		return fmt.Errorf("%s is not empty, and was not written by satchel (%w)", o.dir, err)
	}
	head, rest, _ := strings.Cut(string(body), "\n")
	if head != outHead {
		return fmt.Errorf("%s was not written by this version of satchel", filepath.Join(o.dir, outList))
	}
	for line := range strings.Lines(rest) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || !outName.MatchString(name) {
			return fmt.Errorf("%s: %q is not a line that satchel wrote", filepath.Join(o.dir, outList), line)
		}
		o.old[name] = append(o.old[name], sum)
	}
	return nil
}

// readRegular reads a regular file of limited size; through no link that leads
// out of root, and nothing that would make it wait.
func readRegular(root *os.Root, name string) ([]byte, error) {
	if parent := path.Dir(name); parent != "." {
		if info, err := root.Lstat(parent); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s is not a directory", parent)
		}
	}
	info, err := root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxOutFile {
		return nil, fmt.Errorf("%s is not a regular file of less than 64 MiB", name)
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(f, maxOutFile))
	return body, errors.Join(err, f.Close())
}

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
		if failed := (&outDirError{err}); failed.drive() {
			return failed
		}
		return usage(fmt.Errorf("output directory: %w", err), "may this user write there?")
	}
	return nil
}

// apart refuses an output directory that has to do with the bundle's own.
func (o *outDir) apart(bundle string) error {
	out, inside := realPath(o.dir), realPath(bundle)
	for _, pair := range [][2]string{{out, inside}, {inside, out}} {
		if rel, err := filepath.Rel(pair[0], pair[1]); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return usage(fmt.Errorf("the output directory %s and the bundle's, %s, lie in each other", o.dir, bundle), "give --output-dir a directory elsewhere; reading changes nothing on the drive")
		}
	}
	return nil
}

// realPath is where a path leads to, as far as it is there.
func realPath(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	for at, rest := abs, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if target, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(target, rest)
		}
		if at == filepath.Dir(at) {
			return abs
		}
	}
}

// write replaces the earlier set by files. It refuses, before anything is
// changed, if a file was changed by hand since.
func (o *outDir) write(files []manifests.File) error {
	if err := o.untouched(files); err != nil {
		return err
	}
	if err := o.replace(files); err != nil {
		return &outDirError{err}
	}
	return nil
}

func (o *outDir) replace(files []manifests.File) (err error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(o.dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := sweep(root); err != nil {
		return err
	}
	for _, step := range o.steps(files) {
		if err := step(root); err != nil {
			return err
		}
	}
	return nil
}

// steps are what a replacement does, in this order. While files are replaced,
// both what they were and what they will be is listed as satchel's.
func (o *outDir) steps(files []manifests.File) []func(*os.Root) error {
	list := []func(*os.Root) error{func(r *os.Root) error { return put(r, outList, 0o600, listOf(o.lines(), lines(files))) }}
	for _, f := range files {
		list = append(list, func(r *os.Root) error { return put(r, f.Name, f.Mode, f.Body) })
	}
	return append(list,
		func(r *os.Root) error { return o.dropOld(r, files) },
		func(r *os.Root) error { return put(r, outList, 0o600, listOf(lines(files))) })
}

func listOf(parts ...[]string) []byte {
	return []byte(outHead + "\n" + strings.Join(slices.Concat(parts...), ""))
}

func lines(files []manifests.File) (list []string) {
	for _, f := range files {
		list = append(list, hexSum(f.Body)+"  "+f.Name+"\n")
	}
	return list
}

// lines lists the earlier set.
func (o *outDir) lines() (list []string) {
	for _, name := range slices.Sorted(maps.Keys(o.old)) {
		for _, sum := range o.old[name] {
			list = append(list, sum+"  "+name+"\n")
		}
	}
	return list
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// sweep removes the unfinished files that a crash left.
func sweep(root *os.Root) error {
	for _, dir := range []string{".", "restore"} {
		info, err := root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !info.IsDir() {
			return errors.Join(err, fmt.Errorf("%s is not a directory", dir))
		}
		entries, err := fs.ReadDir(root.FS(), dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), outTemp) || !e.Type().IsRegular() {
				continue
			}
			if err := root.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// gone lists what the earlier set has and the new one has not.
func (o *outDir) gone(files []manifests.File) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(o.old)) {
		if !slices.ContainsFunc(files, func(f manifests.File) bool { return f.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// dropOld removes what the earlier set had and the new one has not.
func (o *outDir) dropOld(root *os.Root, files []manifests.File) error {
	for _, name := range o.gone(files) {
		if err := root.Remove(filepath.FromSlash(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if dir := path.Dir(name); dir != "." {
			_ = root.Remove(dir) // only if nothing is left in it
		}
	}
	return nil
}

// untouched checks that every file of the earlier set is as it was written, or
// already as it is to be, or gone, and that nobody else has files of these names.
func (o *outDir) untouched(files []manifests.File) error {
	news := map[string][]byte{}
	for _, f := range files {
		news[f.Name] = f.Body
	}
	root, err := os.OpenRoot(o.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usage(fmt.Errorf("look at the earlier set: %w", err), "")
	}
	defer root.Close()
	names := slices.AppendSeq(slices.Collect(maps.Keys(o.old)), maps.Keys(news))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		body, err := readRegular(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !slices.Contains(o.old[name], hexSum(body)) && !bytes.Equal(body, news[name]) {
			err = errors.New("it was changed by hand since satchel wrote it, or is not satchel's")
		}
		if err != nil {
			return usage(fmt.Errorf("%s: %w", filepath.Join(o.dir, name), err), "move it away, or give --output-dir another directory; nothing was written")
		}
	}
	return nil
}

// put writes one file, durable before it is visible.
func put(root *os.Root, name string, mode fs.FileMode, body []byte) error {
	dir := path.Dir(name)
	if dir != "." {
		if err := root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if info, err := root.Lstat(dir); err != nil || !info.IsDir() {
			return errors.Join(err, fmt.Errorf("%s is not a directory", dir))
		}
	}
	temp := filepath.Join(dir, outTemp+rand.Text())
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temp, filepath.FromSlash(name))
	}
	if err != nil {
		_ = root.Remove(temp) // nothing refers to it
	}
	return err
}
