package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// stateName is the file of an interrupted copy that says of which drive directory it is: the
// drive seal under its temporary name.
const stateName = seal.DriveName + media.TempSuffix

// unfinishedCopy finds the beginning of a copy in a directory.
func unfinishedCopy(d *media.Dir) *location {
	body, err := d.ReadFile(stateName, seal.MaxSize)
	if err != nil {
		return nil
	}
	drive, err := seal.ParseDrive(body)
	if err != nil || !drive.Complete { // pack begins with one that is not
		return nil
	}
	return &location{dir: d.Path(), id: drive.Bundle, drive: drive.Drive, of: drive.Of, copying: true}
}

// Place is the directory that a copy into dest gets: in the root of a mount one of its own,
// satchel-<id>, as pack makes it; for one drive of several drive-NN, so that the others can
// stand beside it; else dest itself. alone says that no other drive goes into dest: then one that
// has the name drive-NN already is taken as it is. The error is a *[RefusedError] for the directory
// of one drive, into which another one is to go.
func (d *Original) Place(dest string, alone bool) (string, error) {
	root, err := media.IsMountRoot(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case root:
		return filepath.Join(dest, dirPrefix+d.Bundle), nil
	}
	own := fmt.Sprintf("drive-%02d", d.Drive)
	if d.Of < 2 || alone && (d.begunIn(dest) || filepath.Base(dest) == own) {
		return dest, nil
	}
	if name, ok := sealIn(dest); ok {
		return "", &RefusedError{Dir: dest, Reason: fmt.Sprintf("it is the directory of one drive, it has %s, and drive %d cannot go into it", name, d.Drive),
			hint: fmt.Sprintf("name the directory that it is in, %s; or, as what is copied, the directory of that one drive", filepath.Dir(dest))}
	}
	return filepath.Join(dest, own), nil
}

// Begun reports whether a copy of this drive directory stands in dest, or the beginning of one.
func (d *Original) Begun(dest string) bool {
	dir, err := d.Place(dest, true)
	return err == nil && d.begunIn(dir)
}

// sealIn names a seal in a directory, or the beginning of one, as a drive directory has it.
func sealIn(dir string) (name string, ok bool) {
	for _, name := range []string{seal.DriveName, seal.BundleName, stateName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return name, true
		}
	}
	return "", false
}

// begunIn reports whether a copy of this drive directory stands in dir, or the beginning of one.
func (d *Original) begunIn(dir string) bool {
	into, err := media.OpenDir(dir)
	if err != nil {
		return false
	}
	defer func() { _ = into.Close() }() // it is only read
	return slices.ContainsFunc([]string{seal.DriveName, stateName}, func(name string) bool {
		body, err := into.ReadFile(name, seal.MaxSize)
		return err == nil && string(body) == string(d.bodies[seal.DriveName])
	})
}

// Copying is a copy of one drive directory, from its first look at the destination on.
type Copying struct {
	from   *Original
	path   string
	into   *media.Dir // nil as long as it is not there
	unlock func() error
	found  map[string]int64 // sizes of the files of the grammar that are there
	sealed bool             // it has the seals already
	begun  bool             // it has a part of this copy
	wrote  int              // files, by this run
	mended []string         // of those, what had changed since an earlier run wrote it
}

// CopyInto looks at dir, where a copy is to stand: it must be new or empty, or have a copy of
// the same drive directory, whole or not. It writes nothing. The error is a *[RefusedError]
// for anything else that is there: other files and other bundles are never touched.
func (d *Original) CopyInto(dir string) (*Copying, error) {
	if below(dir, d.Dir) {
		return nil, &RefusedError{Dir: dir, Reason: "it is the directory that is copied, or below it", hint: "name another directory"}
	}
	c := &Copying{from: d, path: dir}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if to, ok := dangling(dir); ok {
			return nil, &media.Error{Op: "write to", Path: dir, Err: fmt.Errorf("it is a symbolic link to %s, which does not exist%.0w", to, fs.ErrNotExist)}
		}
		return c, nil
	}
	return c, c.open()
}

// below reports whether a directory is another one, or below it.
func below(dir, top string) bool {
	at, err := media.Real(dir)
	of, terr := media.Real(top)
	return err == nil && terr == nil && media.Within(at, of)
}

// open locks the directory and looks at what is there.
func (c *Copying) open() (err error) {
	if c.into, err = media.OpenDir(c.path); err != nil {
		return err
	}
	c.unlock, err = c.into.Lock()
	if errors.Is(err, media.ErrLocked) {
		err = &RefusedError{Dir: c.path, Reason: "another satchel is writing to it", Busy: true, hint: waitForIt}
	}
	if err == nil {
		err = c.look()
	}
	if err != nil {
		return errors.Join(err, c.Close())
	}
	return nil
}

// Close lets others have the directory.
func (c *Copying) Close() (err error) {
	if c.unlock != nil {
		err, c.unlock = c.unlock(), nil
	}
	if c.into != nil {
		err, c.into = errors.Join(err, c.into.Close()), nil
	}
	return err
}

// Begun reports whether an earlier run has begun the copy; Whole, whether it has ended it, by
// what can be seen without reading.
func (c *Copying) Begun() bool { return c.begun }

// Whole reports whether every file is there, with its size, and the seals are.
func (c *Copying) Whole() bool { return c.sealed && len(c.missing()) == 0 }

// Sealed reports whether the copy has its seals, as far as it is known: by an earlier run perhaps,
// and this one has found that it is damaged.
func (c *Copying) Sealed() bool { return c.sealed }

// Wrote gives the number of files that [Copying.Run] has written, and names those of them that
// were there with their sizes, and other bytes.
func (c *Copying) Wrote() (files int, changed []string) { return c.wrote, c.mended }

// look finds out whose files are there.
func (c *Copying) look() error {
	c.found = map[string]int64{}
	for _, sub := range []string{".", seal.CopyDir} {
		files, others, err := c.into.List(sub)
		if err != nil {
			return err
		}
		for _, name := range others {
			if seal.Known(name, true) {
				return c.refuse("%s in it is not a regular file", name)
			}
		}
		for _, f := range files {
			if seal.Known(f.Name, true) {
				c.found[strings.TrimPrefix(sub+"/", "./")+f.Name] = f.Size
			}
		}
	}
	if err := c.lookAtSeals(); err != nil || !c.begun {
		return cmp.Or(err, c.lookAtOthers())
	}
	return c.lookAtFiles()
}

// lookAtSeals says whether what is there is of this copy.
func (c *Copying) lookAtSeals() error {
	for _, name := range []string{seal.DriveName, seal.BundleName, stateName} {
		if _, ok := c.found[name]; !ok {
			continue
		}
		want, mine := c.from.bodies[strings.TrimSuffix(name, media.TempSuffix)]
		body, err := c.into.ReadFile(name, seal.MaxSize)
		if err != nil {
			return err
		}
		other, perr := seal.ParseDrive(body)
		switch {
		case mine && string(body) == string(want):
			c.begun = true
		case name == stateName && (perr != nil || c.begun): // cut off before the copy had begun, or left by another run of it
		case perr == nil && other.Bundle == c.from.Bundle && other.Drive != c.from.Drive:
			return c.refuse("it has drive %d of bundle %s, and this is drive %d", other.Drive, other.Bundle, c.from.Drive)
		case perr == nil && other.Bundle != c.from.Bundle:
			return c.refuse("it has another bundle, %s", other.Bundle)
		default:
			return c.refuse("its %s is not that of the bundle in %s", name, c.from.Dir)
		}
	}
	c.sealed = c.begun
	for name := range c.from.bodies {
		_, ok := c.found[name]
		c.sealed = c.sealed && ok
	}
	return nil
}

// lookAtOthers makes sure that a directory in which no copy was begun is empty.
func (c *Copying) lookAtOthers() error {
	for name := range c.found {
		if !strings.HasSuffix(name, media.TempSuffix) {
			return c.refuse("it has files of a bundle, %s, and nothing there says of which one", name)
		}
	}
	known := func(sub string) func(string) bool {
		return func(name string) bool {
			_, ok := c.found[sub+name]
			return ok || sub == "" && name == seal.CopyDir
		}
	}
	other, err := firstNot(c.path, known(""))
	if inCopy := filepath.Join(c.path, seal.CopyDir); err == nil && other == "" && isDirectory(inCopy) {
		if other, err = firstNot(inCopy, known(seal.CopyDir+"/")); other != "" {
			other = seal.CopyDir + "/" + other
		}
	}
	if err == nil && other != "" {
		err = c.refuse("it is not empty: it has %s", other)
	}
	return err
}

func isDirectory(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}

// lookAtFiles refuses a copy that has what the original does not have: a rekey or a
// signature of its own would be lost.
func (c *Copying) lookAtFiles() error {
	known := map[string]seal.File{}
	for _, f := range c.from.files {
		known[f.Name] = f
	}
	noExtras := c.from.Lost(seal.ExtrasName) // what it would name, an earlier run had from elsewhere
	for name := range c.found {
		if noExtras && hasSecond(name) {
			continue
		}
		if _, ok := known[name]; !ok && !strings.HasSuffix(name, media.TempSuffix) {
			return c.refuse("the copy there has %s, and the bundle in %s does not", name, c.from.Dir)
		}
	}
	if noExtras {
		return nil
	}
	body, err := c.into.ReadFile(seal.ExtrasName, seal.MaxSize)
	if err != nil {
		//lint:ignore nilerr one that cannot be read is written again
		return nil
	}
	extras, err := seal.ParseExtras(body)
	if err != nil || extras.Bundle != c.from.Bundle {
		//lint:ignore nilerr as above
		return nil
	}
	for _, f := range extras.Files {
		if known[f.Name] != f {
			return c.refuse("the copy there has another %s than the bundle in %s", f.Name, c.from.Dir)
		}
	}
	return nil
}

func (c *Copying) refuse(format string, args ...any) error {
	return &RefusedError{Dir: c.path, Reason: fmt.Sprintf(format, args...), hint: "name another directory; nothing was written"}
}

// missing lists the files that are not there with their sizes: those that are must still be
// hashed.
func (c *Copying) missing() (list []seal.File) {
	for _, f := range c.from.files {
		if size, ok := c.found[f.Name]; !ok || size != f.Size {
			list = append(list, f)
		}
	}
	return list
}

// Left gives the bytes that are still to be written, as far as can be seen without reading.
func (c *Copying) Left() (bytes int64) {
	for _, f := range c.missing() {
		bytes += f.Size
	}
	return bytes
}

// Need says how much room the rest of the copy takes on a drive with clusters of that size,
// in bytes and in files, besides what is there.
func (c *Copying) Need(cluster int64) (bytes, files int64) {
	list := c.missing()
	if len(list) == 0 {
		return 0, 0
	}
	for _, f := range list {
		bytes += roundUp(f.Size, cluster)
	}
	for name, size := range c.found {
		if strings.HasSuffix(name, media.TempSuffix) {
			bytes -= roundUp(size, cluster) // it is replaced, or removed
		}
	}
	const perName = 256 // bytes of an entry in a directory, at most
	bytes += roundUp(int64(len(list))*perName, cluster) + 4*cluster
	return max(bytes, 0), int64(len(list)) + 2
}

// Room asks the file system of the copy for its room. The directory itself may not be there.
func (c *Copying) Room() (Space, error) {
	dir, err := media.Real(c.path)
	if err != nil {
		return Space{}, err
	}
	return SpaceOf(media.Existing(dir))
}

// Beside reports whether two copies are on one file system.
func (c *Copying) Beside(other *Copying) bool {
	a, errA := media.Real(c.path)
	b, errB := media.Real(other.path)
	return errA == nil && errB == nil && media.SameFileSystem(media.Existing(a), media.Existing(b))
}

// Work gives the bytes that [Copying.Run] is going to write and to read back, for a progress
// bar.
func (c *Copying) Work() (bytes int64) {
	for _, f := range c.from.files {
		if turn(f.Name) != turnSeals {
			bytes += f.Size
		}
	}
	for _, f := range c.missing() {
		if turn(f.Name) != turnSeals {
			bytes += f.Size
		}
	}
	return bytes
}
