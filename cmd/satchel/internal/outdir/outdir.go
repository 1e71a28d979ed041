// Package outdir is the directory that the cluster's YAML is written into. A set of files
// replaces the set of an earlier run: durable, and never a file that is not satchel's or
// that was changed by hand.
package outdir

import (
	"bytes"
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
	"sync"
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

	maxOutFile = 64 << 20 // bytes; every file of a set is much smaller
)

// outDirs are the directories of a set, each after the one that it is in.
var outDirs = []string{"restore", "secrets", "install", "hostedcluster", "drains", "tools", "gitops", "gitops/drains", "gitops/secrets", "gitops/fleet"}

const (
	lineCluster = "cluster" // begins the line of a list that has the ID of the cluster
	lineName    = "name"    // and the one that has the name of the directory, where it is one of several
	lineEnd     = "end"     // and the one that has how the page of steps ends, see endOf

	page = "APPLY.md" // of steps
)

// clusterID is what the ID of a cluster may be.
var clusterID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$`) })

// outName is what files of a set may be called, in one of outDirs or above them.
var outName = regexp.MustCompile(`^(?:[a-z]+/){0,2}[A-Za-z0-9][A-Za-z0-9._-]*$`)

// named reports whether a file of a set may be called so.
func named(name string) bool {
	dir := path.Dir(name)
	return outName.MatchString(name) && (dir == "." || slices.Contains(outDirs, dir))
}

// Dir is the directory that the cluster's YAML is written into. It is absent,
// empty, or holds the set of an earlier run, which the new one replaces.
type Dir struct {
	dir string
	old map[string][]string // the earlier set: what each name may hold, as SHA-256 in hexadecimal
	had string              // the ID of the cluster that the earlier set is for; "" where it is not known
	id  string              // that of the cluster that the new set is for

	wasOne string // the name that the earlier set has as one of several; "" where it is the only one
	one    string // that of the new set

	end string // how the page of steps of the earlier set ends; "" where it is not known

	moved []*Dir // where earlier sets of this cluster are, if not here
}

// Path is the directory's name.
func (o *Dir) Path() string { return o.dir }

// WriteError says that the output directory could not be written.
type WriteError struct{ err error }

func (e *WriteError) Error() string { return "write cluster YAML: " + e.err.Error() }
func (e *WriteError) Unwrap() error { return e.err }

// Hint says what to do now.
func (e *WriteError) Hint() string {
	return "every image is in the mirror: make room, or name another directory, and run the same command again; it pushes nothing twice"
}

// RefusedError says why nothing is written into the directory.
type RefusedError struct {
	Err error
	Do  string
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *RefusedError) Hint() string { return e.Do }

// Disk reports whether the disk is full, read-only or broken.
func (e *WriteError) Disk() bool {
	for _, no := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(e.err, no) {
			return true
		}
	}
	return false
}

func refuse(err error, do string) error { return &RefusedError{err, do} }

// Open finds out whether a set can be written into dir, and writes nothing.
func Open(dir string) (*Dir, error) {
	o := &Dir{dir: dir, old: map[string][]string{}}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return o, o.probe()
	}
	if err != nil {
		return nil, refuse(fmt.Errorf("look into the output directory: %w", err), "name a directory for the output")
	}
	foreign := func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), outTemp) }
	if !slices.ContainsFunc(entries, foreign) {
		return o, o.probe()
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, refuse(fmt.Errorf("look into the output directory: %w", err), "")
	}
	defer root.Close()
	if err := o.readList(root); err != nil {
		return nil, refuse(err, "name a new or empty directory for the output")
	}
	return o, o.probe()
}

// readList reads what an earlier run wrote.
func (o *Dir) readList(root *os.Root) error {
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
		if sum == lineCluster && clusterID().MatchString(name) {
			o.had = name
			continue
		}
		if ok && sum == lineName {
			o.wasOne = name
			continue
		}
		if ok && sum == lineEnd {
			o.end = name
			continue
		}
		if !ok || !named(name) {
			return fmt.Errorf("%s: %q is not a line that satchel wrote", filepath.Join(o.dir, outList), line)
		}
		o.old[name] = append(o.old[name], sum)
	}
	return nil
}

// readRegular reads a regular file of limited size; through no link that leads
// out of root, and nothing that would make it wait.
func readRegular(root *os.Root, name string) ([]byte, error) {
	for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
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
// create for that is removed again.
func (o *Dir) probe() error {
	made, at := []string{}, filepath.Clean(o.dir)
	for ; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if to, lerr := os.Readlink(at); lerr == nil && errors.Is(err, fs.ErrNotExist) {
			return refuse(fmt.Errorf("output directory: %s is a symbolic link to %s, which does not exist", at, to), "name another directory, or create the one that the link leads to")
		}
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", at)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return refuse(fmt.Errorf("output directory: %w", err), "name a directory for the output")
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
		if failed := (&WriteError{err}); failed.Disk() {
			return failed
		}
		return refuse(fmt.Errorf("output directory: %w", err), "check that this user may write there")
	}
	return nil
}

// Apart refuses an output directory that has to do with the bundle's own.
func (o *Dir) Apart(bundle string) error {
	out, inside := realPath(o.dir), realPath(bundle)
	for _, pair := range [][2]string{{out, inside}, {inside, out}} {
		if rel, err := filepath.Rel(pair[0], pair[1]); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return refuse(fmt.Errorf("the output directory %s must not be inside the bundle's directory %s, nor the other way round", o.dir, bundle), "name a directory elsewhere for the output; reading changes nothing on the drive")
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

// Check checks that every file of the earlier set is as it was written, or
// already as it is to be, or gone, and that nobody else has files of these names.
func (o *Dir) Check(files []manifests.File) error {
	news := map[string][]byte{}
	for _, f := range files {
		if !named(f.Name) { // the next run would not know its own list
			return &WriteError{fmt.Errorf("a file cannot be called %q: this is a fault of satchel, and nothing was written", f.Name)}
		}
		news[f.Name] = f.Body
	}
	root, err := os.OpenRoot(o.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return refuse(fmt.Errorf("look at the earlier set: %w", err), "")
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
			return refuse(fmt.Errorf("%s: %w", filepath.Join(o.dir, name), err), "move it away, or name another directory for the output; nothing was written")
		}
	}
	return nil
}
