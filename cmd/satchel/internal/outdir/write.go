package outdir

import (
	"bytes"
	"crypto/rand"
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

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
)

// Write replaces the earlier set by files. It refuses, before anything is
// changed, if a file was changed by hand since.
func (o *Dir) Write(files []manifests.File) error {
	if err := o.Check(files); err != nil {
		return err
	}
	if err := o.replace(files); err != nil {
		return &WriteError{err}
	}
	return nil
}

func (o *Dir) replace(files []manifests.File) (err error) {
	if err := durable.MakeDirs(o.dir); err != nil {
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

// Add writes one file beside the set, which must be there, with mode 0600, and reads it
// again. It replaces what is there under that name.
func (o *Dir) Add(name string, body []byte) (err error) {
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return &WriteError{err}
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := errors.Join(put(root, name, 0o600, body), durable.SyncDir(root.Name())); err != nil {
		return &WriteError{err}
	}
	again, err := readRegular(root, name)
	if err == nil && !bytes.Equal(again, body) {
		err = errors.New("it is not what was written")
	}
	if err != nil {
		return &WriteError{fmt.Errorf("read %s again: %w", filepath.Join(o.dir, name), err)}
	}
	return nil
}

// steps are what a replacement does, in this order. While files are replaced,
// both what they were and what they will be is listed as satchel's.
func (o *Dir) steps(files []manifests.File) []func(*os.Root) error {
	list := []func(*os.Root) error{func(r *os.Root) error { return put(r, outList, 0o600, o.listOf(o.lines(), lines(files), ends(files))) }}
	for _, f := range files {
		list = append(list, func(r *os.Root) error { return put(r, f.Name, f.Mode, f.Body) })
	}
	return append(list,
		func(r *os.Root) error { return o.dropOld(r, files) },
		func(r *os.Root) error { return put(r, outList, 0o600, o.listOf(lines(files), ends(files))) })
}

// listOf is the list of a set: which cluster it is for, if that is known, whether it is one of
// several, and its files.
func (o *Dir) listOf(parts ...[]string) []byte {
	head := outHead + "\n"
	if clusterID().MatchString(o.id) {
		head += lineCluster + "  " + o.id + "\n"
	}
	if o.one != "" && !strings.Contains(o.one, "\n") { // a list has a line for each thing
		head += lineName + "  " + o.one + "\n"
	}
	return []byte(head + strings.Join(slices.Concat(parts...), ""))
}

func lines(files []manifests.File) (list []string) {
	for _, f := range files {
		list = append(list, hexSum(f.Body)+"  "+f.Name+"\n")
	}
	return list
}

// ends is the line with how the page of steps ends.
func ends(files []manifests.File) (list []string) {
	for _, f := range files {
		if end := endOf(f.Body); f.Name == page && end != "" {
			list = append(list, lineEnd+"  "+end+"\n")
		}
	}
	return list
}

// lines lists the earlier set.
func (o *Dir) lines() (list []string) {
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
	for _, dir := range append([]string{"."}, outDirs...) {
		info, err := root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() { // put refuses it if it is in the way
			continue
		}
		if err != nil {
			return err
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

// Has gives a file of the earlier set, as it was written, also where that set is in another
// directory; nil if it is not there, or was changed.
func (o *Dir) Has(name string) []byte {
	root, err := os.OpenRoot(o.dir)
	if err == nil {
		defer func() { _ = root.Close() }() // nothing was written
		if body, err := readRegular(root, name); err == nil && slices.Contains(o.old[name], hexSum(body)) {
			return body
		}
	}
	for _, at := range o.moved {
		if body := at.Has(name); body != nil {
			return body
		}
	}
	return nil
}

// Gone lists what the earlier set has and the new one lacks.
func (o *Dir) Gone(files []manifests.File) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(o.old)) {
		if !slices.ContainsFunc(files, func(f manifests.File) bool { return f.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// dropOld removes what the earlier set had and the new one lacks.
func (o *Dir) dropOld(root *os.Root, files []manifests.File) error {
	for _, name := range o.Gone(files) {
		if err := root.Remove(filepath.FromSlash(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := syncDirOf(root, name); err != nil {
			return err
		}
		removeEmpty(root, name)
	}
	return nil
}

// syncDirOf has the names in a directory of the set survive a loss of power. Those in the set's own
// directory do when its list is written.
func syncDirOf(root *os.Root, name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	if err := durable.SyncDir(filepath.Join(root.Name(), filepath.FromSlash(dir))); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// makeParents makes the directories that a file of a set is in. The name of each that it makes survives a
// loss of power.
func makeParents(root *os.Root, name string) error {
	for _, at := range parents(name) {
		err := root.Mkdir(at, 0o700)
		if err == nil {
			err = durable.SyncDir(filepath.Join(root.Name(), filepath.FromSlash(path.Dir(at))))
		} else if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		if err != nil {
			return err
		}
		if info, err := root.Lstat(at); err != nil || !info.IsDir() {
			return errors.Join(err, fmt.Errorf("%s is not a directory", at))
		}
	}
	return nil
}

// parents are the directories that a file of a set is in, the outer one first.
func parents(name string) (list []string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		list = slices.Insert(list, 0, dir)
	}
	return list
}

// put writes one file, durable before it is visible.
func put(root *os.Root, name string, mode fs.FileMode, body []byte) error {
	dir := path.Dir(name)
	if err := makeParents(root, name); err != nil {
		return err
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
		return err
	}
	if name == outList { // before files are replaced, and after
		return durable.SyncDir(root.Name())
	}
	return syncDirOf(root, name)
}
