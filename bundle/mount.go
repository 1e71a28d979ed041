package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Mount is where the directory of a bundle is.
type Mount struct {
	// Doubt says why it may not be the drive that is meant, "" for no reason.
	Doubt string
	// Memory is what the directory is in if that is in memory, such as tmpfs, "" if it is not.
	Memory string

	dir string
	on  media.Mount
}

// Removable reports whether the directory is on a mount that is not the system's own: a
// drive that can be unmounted and taken away, with what is on it.
func (m Mount) Removable() bool { return m.on.Known() && !m.on.System && m.on.Memory == "" }

// MountOf gives the mount that a directory is on, without a look at what belongs there.
func MountOf(dir string) Mount { return Mount{dir: dir, on: media.System().Of(dir)} }

// Point is where the file system of the directory is mounted, "" where that is not known.
func (m Mount) Point() string { return m.on.Point }

// Same reports whether two directories are on the same file system, or nobody knows.
func (m Mount) Same(other Mount) bool { return !m.on.Known() || m.on.Point == other.on.Point }

// IsRoot reports whether dir is where a file system is mounted.
func IsRoot(dir string) (bool, error) { return media.IsMountRoot(dir) }

// MountError says that a directory is not where it must be: the drive is not mounted, or
// another one is mounted in its place. Nothing was written.
type MountError struct {
	Dir    string
	Reason string
	// Point is where a drive was mounted when this host wrote to it, if all that is wrong is that none is now; see [MountError.Forget].
	Point string

	hint string
}

// mountIt is what to do where a drive is not mounted.
const mountIt = "mount the drive and run the same command again, or name another directory"

func (e *MountError) Error() string { return e.Dir + ": " + e.Reason }

// Hint says what to do now.
func (e *MountError) Hint() string { return e.hint }

// Permanent is false: the drive may be mounted.
func (e *MountError) Permanent() bool { return false }

// CheckMount looks where dir is, before anything is written or made there. The error is a
// *[MountError] where fstab, or a journal below state, says that another file system
// belongs there.
func CheckMount(dir, state string) (Mount, error) { return checkMount(media.System(), dir, state) }

// CheckMountAnew is [CheckMount] for one who says that a drive which this host wrote to there will not be mounted there any
// more: that is warned of, and noted, see [MountError.Forget].
func CheckMountAnew(dir, state string, warn func(format string, args ...any)) (m Mount, err error) {
	for before := ""; ; {
		m, err = CheckMount(dir, state)
		var gone *MountError
		if !errors.As(err, &gone) || gone.Point == "" || gone.Error() == before {
			return m, err
		}
		before = gone.Error()
		warn("%v; from now on that counts no more, as said", gone)
		if err := gone.Forget(state); err != nil {
			return m, err
		}
	}
}

func checkMount(tables media.Tables, dir, state string) (Mount, error) {
	path, err := media.Real(dir)
	if err != nil {
		return Mount{}, err
	}
	if _, err := os.Stat(path); errors.Is(err, syscall.ENOTCONN) { // what is behind it says nothing of it
		return Mount{}, &media.Error{Op: "look at", Path: dir, Err: err}
	}
	m := Mount{dir: dir, on: tables.Of(dir)}
	m.Memory = m.on.Memory
	if !m.on.Known() {
		return m, nil
	}
	if err := m.checkFstab(tables, path); err != nil {
		return m, err
	}
	found, err := find(dir)
	if err != nil {
		found = nil // it is not there yet, or what is wrong with it shows when it is used
	}
	if err := errors.Join(m.checkJournals(path, state, found), m.checkSeen(path, state, found)); err != nil {
		return m, err
	}
	m.Doubt = m.doubt(state, found)
	return m, nil
}

func (m Mount) checkFstab(tables media.Tables, path string) error {
	for _, want := range tables.Expected(path) {
		switch {
		case !media.Within(m.on.Point, want.Point):
			return &MountError{Dir: m.dir, Reason: fmt.Sprintf("/etc/fstab says that %s is to be mounted at %s, and it is not mounted", want.Spec, want.Point),
				hint: fmt.Sprintf("mount the drive (mount %s) and run the same command again, or name another directory", want.Point)}
		case m.on.Point == want.Point && m.on.Type == "autofs":
			return &MountError{Dir: m.dir, Reason: fmt.Sprintf("%s is to be mounted at %s, and it is not mounted", want.Spec, want.Point),
				hint: "plug the drive in and run the same command again, or name another directory"}
		case m.on.Point == want.Point && !m.on.System && tables.Replaced(want, m.on):
			return &MountError{Dir: m.dir, Reason: fmt.Sprintf("/etc/fstab says that %s is to be mounted at %s, and %s is mounted there", want.Spec, want.Point, m.on.Source),
				hint: "mount the right drive and run the same command again, or mount this one elsewhere and name that directory"}
		}
	}
	return nil
}

// checkJournals finds a bundle that was written to a drive which was mounted at dir or
// above it, and is not now.
func (m Mount) checkJournals(path, state string, found []location) error {
	for _, st := range journals(state) {
		at := st.Session
		if at.Point == "" || media.IsSystemPoint(at.Point) || !media.Within(path, at.Point) || media.Within(m.on.Point, at.Point) || st.GivenUp {
			continue
		}
		if m.on.FS != "" && m.on.FS == at.FS || holds(found, st.Begin.Bundle) || isGone(state, at.Point, lastRun(st)) {
			continue
		}
		did := "begun"
		if st.Sealed != nil {
			did = "packed"
		}
		return &MountError{Dir: m.dir, Point: at.Point,
			Reason: fmt.Sprintf("a drive was mounted at %s when bundle %s was %s there (%s), and it is not mounted now", at.Point, st.Begin.Bundle, did, text.Minute(st.Begin.Created)),
			hint:   mountIt}
	}
	return nil
}

// lastRun is when a run last wrote the bundle.
func lastRun(st *journal.State) time.Time {
	if p := st.Process; p != nil && p.Since.After(st.Begin.Created) {
		return p.Since
	}
	return st.Begin.Created
}

func holds(found []location, id string) bool {
	for _, p := range found {
		if p.id == id {
			return true
		}
	}
	return false
}

// doubt is why a person should look before the first byte is written.
func (m Mount) doubt(state string, found []location) string {
	for _, p := range found {
		if p.sealed || p.id == "" {
			continue
		}
		st, err := journal.Peek(journalPath(state, p.id))
		switch {
		case err != nil:
		case m.on.Other(sessionOf(st, p.drive).FS):
			return fmt.Sprintf("%s is on another file system than the one that bundle %s was begun on", p.dir, p.id)
		default:
			return "" // it was begun here
		}
	}
	switch {
	case m.Memory != "" && m.on.System:
		return fmt.Sprintf("%s is in memory (%s): no drive is mounted there, and what is packed there is lost when this host restarts", m.dir, m.Memory)
	case m.on.Root:
		return fmt.Sprintf("%s is on the system's own disk: no drive is mounted there", m.dir)
	}
	return ""
}

// sessionOf is the last session of a drive.
func sessionOf(st *journal.State, drive int) journal.Session {
	if s, ok := st.Sessions[drive]; ok {
		return s
	}
	return st.Session
}

// Declined is the error where a person says that it is not the drive that is meant.
func (m Mount) Declined() error {
	return &MountError{Dir: m.dir, Reason: "nothing was written there, because the answer was no", hint: mountIt}
}

// Empty is the error where a drive was, and none is mounted now.
func (m Mount) Empty() error {
	return &MountError{Dir: m.dir, Reason: "no drive is mounted there", hint: mountIt}
}

// Check looks whether the same file system is still mounted there.
func (m Mount) Check() error {
	if !m.on.Known() {
		return nil
	}
	now := media.System().Of(m.dir)
	if now.Point == m.on.Point && !now.Other(m.on.FS) {
		return nil
	}
	return &MountError{Dir: m.dir, Reason: fmt.Sprintf("the drive that was mounted at %s is not mounted there any more", m.on.Point),
		hint: "mount it again and run the same command again; it resumes where it stopped"}
}

// journals gives every journal below state that can be read, with its name.
func journals(state string) map[string]*journal.State {
	all := map[string]*journal.State{}
	for _, name := range journalNames(state) {
		if st, err := journal.Peek(name); err == nil { // others are damaged, or never began
			all[name] = st
		}
	}
	return all
}

// journalNames lists where journals below state are, or would be. A pattern would do only
// where the path of state has none of its characters.
func journalNames(state string) (names []string) {
	entries, err := os.ReadDir(filepath.Join(state, "bundles"))
	if err != nil {
		return nil // there is none, or what is wrong shows when one is written
	}
	for _, e := range entries {
		if seal.IsID(e.Name()) {
			names = append(names, journalPath(state, e.Name()))
		}
	}
	return names
}

// process says who writes the bundle of a journal, for the one who may not.
func process(path string) string {
	st, err := journal.Peek(path)
	if err != nil || st.Process == nil {
		return ""
	}
	p := st.Process
	s := fmt.Sprintf(": process %d, since %s", p.PID, p.Since.Local().Format(time.DateTime))
	if p.Command != "" {
		s += ": " + p.Command
	}
	return s
}

// self is the record of this process, which is at work on the bundle in dir.
func self(command, dir string) journal.Record {
	return journal.Record{Process: &journal.Process{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second), Command: command, Dir: dir}}
}
