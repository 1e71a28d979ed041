package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// dirPrefix begins the directory that a bundle gets in the root of a mount.
const dirPrefix = "satchel-"

// ignored are names that systems leave on drives, also those that write them in another
// case; they make a directory no less empty.
var ignored = []string{"System Volume Information", "lost+found", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini", ".Trashes", ".fseventsd", ".Spotlight-V100", ".TemporaryItems", ".DS_Store", ".directory", media.ProbeName, media.ProbeName + media.TempSuffix}

// location is a directory that holds a bundle, or the beginning of one.
type location struct {
	dir      string
	id       string // of the seal, or else of the drive seal; empty if neither can be read
	drive    int    // its number by the drive seal; 0 if that cannot be read
	of       int    // how many drives the bundle has; 0 for one
	place    string // in which it was found
	complete bool   // the drive seal says so
	sealed   bool   // it has the seal
	adopted  bool   // its drive.json is lost, and the journal here knows it
	copied   bool   // it has the seal's copy
	renamed  bool   // its files have other names, which a copy has given them
	copying  bool   // it is a copy that did not come to its end
	lost     bool   // its seals and their second copies are lost: other small files say of which bundle it is
	unread   error  // of drive.json or bundle.json, which the drive does not give
	short    string // name of a seal that a copy has cut short: the names of the rest are lost
}

// look says what bundle stands directly in dir, if any.
func look(dir string) (*location, error) {
	d, err := media.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	p, err := lookIn(d)
	if p != nil && p.unread != nil {
		err, p = p.unread, nil // whoever writes there must know what it is
	}
	return p, errors.Join(err, d.Close())
}

// unreadable gives the error of a file that cannot be read, unless that may be damage: the drive gives others.
func unreadable(d *media.Dir, name string, err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return err
	}
	return d.Gone(name, err)
}

func lookIn(d *media.Dir) (*location, error) {
	p := location{dir: d.Path()}
	_, err := d.Stat(seal.BundleName)
	if !errors.Is(err, fs.ErrNotExist) {
		if gone := unreadable(d, seal.BundleName, err); gone != nil {
			return nil, gone
		}
		p.sealed, p.unread = true, err
	}
	if _, err := d.Stat(seal.CopyDir + "/" + seal.BundleName); err == nil {
		p.copied = true
	}
	body, err := d.ReadFile(seal.DriveName, seal.MaxSize)
	if errors.Is(err, fs.ErrNotExist) && !p.sealed && !p.readSecond(d) {
		return nil, nil
	}
	var large *media.SizeError
	switch {
	case err == nil:
		p.readDrive(body)
	case !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &large):
		if gone := unreadable(d, seal.DriveName, err); gone != nil {
			return nil, gone
		}
		p.unread = err
	}
	if !p.sealed && p.id == "" {
		p.readSecond(d)
	}
	if p.sealed && (p.id == "" || !isBound(d, body)) { // drive.json may be what is damaged
		p.readSealed(d, seal.BundleName)
	}
	return &p, nil
}

// readDrive takes over what a drive seal says, if it can be read.
func (p *location) readDrive(body []byte) {
	if ds, err := seal.ParseDrive(unixLines(body)); err == nil {
		p.id, p.complete, p.drive, p.of = ds.Bundle, ds.Complete, ds.Drive, ds.Of
	}
}

// readSecond takes the second copy for the drive seal of a drive that is not the last one: nothing
// else names it. It reports whether there is one.
func (p *location) readSecond(d *media.Dir) bool {
	body, err := d.ReadFile(seal.CopyDir+"/"+seal.DriveName, seal.MaxSize)
	if err != nil {
		return false
	}
	second := *p
	if second.readDrive(body); !second.isEarlier() {
		return false
	}
	*p = second
	return true
}

// isEarlier reports whether it is a finished drive of a bundle of several, and not the last one.
func (p location) isEarlier() bool { return !p.sealed && p.complete && p.drive < p.of }

// isBound reports whether the seal binds these bytes of drive.json: then they are whole,
// and what differs from them in the seal is not.
func isBound(d *media.Dir, drive []byte) bool {
	body, err := d.ReadFile(seal.BundleName, seal.MaxSize)
	if err != nil {
		return false
	}
	b, err := seal.ParseBundle(unixLines(body))
	return err == nil && lastDrive(b).SHA256 == seal.Sum(unixLines(drive))
}

// lastDrive is what the seal says of the drive that it is on.
func lastDrive(b seal.Bundle) seal.DriveSum { return b.Drives[len(b.Drives)-1] }

// readLast takes the second copies for the seals of the last drive, where neither original says which drive it is.
func (p *location) readLast(d *media.Dir) {
	if p.id == "" {
		p.readSealed(d, seal.CopyDir+"/"+seal.BundleName)
	}
	if p.id != "" {
		return
	}
	if body, err := d.ReadFile(seal.CopyDir+"/"+seal.DriveName, seal.MaxSize); err == nil {
		last := *p
		if last.readDrive(body); last.complete && last.of > 0 && last.drive == last.of {
			*p = last
		}
	}
}

// readSealed takes over what the seal with a name says, if it can be read.
func (p *location) readSealed(d *media.Dir, name string) {
	body, err := d.ReadFile(name, seal.MaxSize)
	if err != nil {
		return
	}
	b, err := seal.ParseBundle(unixLines(body))
	if err != nil {
		return
	}
	p.id, p.drive, p.of = b.Bundle, len(b.Drives), len(b.Drives)
	if p.of == 1 {
		p.of = 0
	}
}

// readSeal gives the bytes of bundle.json.
func (p location) readSeal() (body []byte, err error) {
	d, err := media.OpenDir(p.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	s := driveDir{dir: d}
	body, err = s.readFile(seal.BundleName, seal.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lostSeal(p)
	}
	return body, err
}

// checkNeeds reports a finished bundle that this version cannot read.
func (p location) checkNeeds() error {
	if !p.sealed {
		return nil
	}
	body, err := p.readSeal()
	if err != nil {
		return err
	}
	_, err = seal.ParseBundle(body)
	return asNeeds(p.dir, err)
}

// find looks for bundles in dir and in dir/satchel-*.
func find(dir string) ([]location, error) {
	var list []location
	dirs := []string{dir}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, &RefusedError{Dir: dir, Reason: "it is not a directory", hint: "name the directory of a drive"}
	}
	if err != nil {
		return nil, &media.Error{Op: "look into", Path: dir, Err: err}
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), dirPrefix) {
			dirs = append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	for _, d := range dirs {
		p, err := look(d)
		if d != dir && errors.Is(err, fs.ErrNotExist) {
			continue // another run has just removed it
		}
		if err != nil {
			return nil, err
		}
		if p != nil {
			list = append(list, *p)
		}
	}
	return list, nil
}

// firstOther gives the first name in dir that is neither a bundle's nor ignored.
func firstOther(dir string) (string, error) {
	return firstNot(dir, func(name string) bool {
		return strings.HasSuffix(name, media.TempSuffix) && seal.Known(name, true)
	})
}

// firstNot gives the first name in dir that is neither ours nor ignored.
func firstNot(dir string, ours func(string) bool) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", &media.Error{Op: "look into", Path: dir, Err: err}
	}
	for _, e := range entries {
		name := e.Name()
		if ours(name) || isIgnored(name) {
			continue
		}
		return name, nil
	}
	return "", nil
}

// MakeDir makes dir if only its last part is missing, and reports whether it did.
// Where systems mount drives, it makes nothing: what is missing there is the drive.
func MakeDir(dir string) (made bool, err error) {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return false, nil // any other fault of it shows when it is used
	}
	if to, ok := dangling(dir); ok {
		return false, &media.Error{Op: "write to", Path: dir, Err: fmt.Errorf("it is a symbolic link to %s, which does not exist%.0w", to, fs.ErrNotExist)}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false, &media.Error{Op: "make directory", Path: dir, Err: err}
	}
	switch parent := filepath.Dir(abs); {
	case parent == "/mnt", parent == "/media", parent == "/Volumes", filepath.Dir(parent) == "/media", filepath.Dir(parent) == "/run/media":
		return false, &media.Error{Op: "write to", Path: dir, Err: fs.ErrNotExist}
	}
	if err := media.MakeDir(abs); err != nil {
		return false, err
	}
	return true, nil
}

// dangling says where a symbolic link leads that leads nowhere.
func dangling(dir string) (to string, ok bool) {
	to, err := os.Readlink(filepath.Clean(dir)) // a slash at the end would follow it
	if err != nil {
		return "", false
	}
	_, err = os.Stat(dir)
	return to, errors.Is(err, fs.ErrNotExist)
}

// Prepare makes sure that pack can write below dir: it writes and removes a small
// file there, and compares the free space with need, in bytes. unknown is true
// where the file system does not report it. Errors are *[DriveError] and *[SpaceError].
func Prepare(dir string, need int64) (unknown bool, err error) {
	d, err := media.OpenDir(dir)
	if err != nil {
		return false, err
	}
	unlock, err := lockAlone(dir) // two probes at a time would be in each other's way
	if err != nil {
		return false, errors.Join(err, d.Close())
	}
	if err := errors.Join(d.Probe(), d.Close(), unlock()); err != nil {
		return false, err
	}
	room, err := SpaceOf(dir)
	if err == nil && !room.Unknown && room.Free < need {
		err = &SpaceError{Dir: dir, Need: need, Free: room.Free, Cluster: room.Cluster}
	}
	return room.Unknown, err
}

// emptyFor is how long a directory without a journal here must have been empty
// before it is removed: another host may have just made it.
const emptyFor = time.Hour

// sweepEmpty removes what a run leaves in the root of a mount that ends before
// the first file: an empty directory satchel-<id>, and its journal.
func sweepEmpty(root, state string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return // the caller's next step will report it
	}
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), dirPrefix)
		if ok && e.IsDir() && seal.IsID(id) {
			sweepOne(filepath.Join(root, e.Name()), journalPath(state, id))
		}
	}
}

// sweepOne removes one directory if it is empty and no run has it.
func sweepOne(dir, path string) {
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		return // before its lock is taken, which its run may want
	}
	jnl, st, err := journal.Open(path)
	switch {
	case err == nil:
		defer func() { _ = jnl.Close() }() // held to keep other runs out
		if st.Written() && !st.GivenUp {
			return // its segments may have been moved; only the journal can resume them
		}
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Lstat(dir); err != nil || time.Since(info.ModTime()) < emptyFor {
			return
		}
	default:
		return // another run has it
	}
	if os.Remove(dir) == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // of no use without the directory
	}
}

// Release makes everything on the drive that holds dir durable. Once it returns,
// the drive may be unmounted and taken away.
func Release(dir string) error { return media.SyncAll(dir) }
