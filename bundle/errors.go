package bundle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// DriveError says that the drive refused an operation: it is full, read-only,
// gone, or not allowed to be written. Its Err wraps the system's error.
type DriveError = media.Error

// StateError says that the disk of the journals refused an operation. Its Err wraps the
// system's error.
type StateError = journal.Error

// ErrWrongKey says that none of the given keys opens the bundle.
var ErrWrongKey = keys.ErrNoMatch

// ErrNoTerminal says that a person must be asked and there is no terminal.
var ErrNoTerminal = keys.ErrNoTerminal

// MixedError says why recipients may not stand together.
type MixedError = keys.MixedError

// RecipientError says which recipient cannot be encrypted to.
type RecipientError = keys.RecipientError

// ErrNoKey says that no key was given where one is needed.
var ErrNoKey = keys.ErrNoKey

// NoBundleError says that a directory holds no bundle at all.
type NoBundleError struct {
	Dir    string
	Absent bool // the directory does not exist
}

func (e *NoBundleError) Error() string {
	if to, ok := dangling(e.Dir); ok && e.Absent {
		return fmt.Sprintf("%s is a symbolic link to %s, which does not exist; is the drive mounted there?", e.Dir, to)
	}
	if e.Absent {
		return fmt.Sprintf("the directory %s does not exist; is the drive mounted there?", e.Dir)
	}
	return fmt.Sprintf("%s holds no bundle; is the drive mounted there?", e.Dir)
}

// Hint is empty: the error says it all.
func (e *NoBundleError) Hint() string { return "" }

// Permanent is false: the drive may be mounted.
func (e *NoBundleError) Permanent() bool { return false }

// MissingError says that an unfinished bundle was begun in a directory and is not
// there any more.
type MissingError struct {
	Dir, Bundle string
	Label       string // of the drive that it waits for, of a bundle on several; "" for a bundle that was begun in the directory that was named
	Staging     bool   // that is a directory on a staging disk
}

func (e *MissingError) Error() string {
	if e.Label != "" {
		return fmt.Sprintf("bundle %s of this configuration is unfinished, and waits for drive %s, which was begun in %s and is not there now", e.Bundle, e.Label, e.Dir)
	}
	if e.Staging {
		return fmt.Sprintf("bundle %s was begun in %s and is not there now: was the directory moved or deleted?", e.Bundle, e.Dir)
	}
	return fmt.Sprintf("bundle %s was begun in %s and is not there now: is the drive mounted?", e.Bundle, e.Dir)
}

// Hint says what to do now.
func (e *MissingError) Hint() string {
	if e.Label != "" {
		return fmt.Sprintf("mount drive %s in a directory that is named, and run the same command again; if it cannot come back, begin it again on a new drive, or start again without that bundle", e.Label)
	}
	if e.Staging {
		return "move the directory back and run the same command again, name another directory, or start again without that bundle"
	}
	return "mount the drive and run the same command again, name another directory, or start again without that bundle"
}

// Permanent is false: the drive may be mounted.
func (e *MissingError) Permanent() bool { return false }

// UnfinishedError says that a bundle was never sealed.
type UnfinishedError struct {
	Dir     string
	Running bool   // it is being written, see [Writing]
	Who     string // writes it, as Writing gives it
	Copy    bool   // it is a copy of a bundle that was interrupted

	Supplements string // the ID of the bundle that it supplements, as this host's journal has it; "" for none that is known
}

func (e *UnfinishedError) Error() string {
	if e.Running {
		return fmt.Sprintf("the bundle in %s is not finished yet: another satchel is writing it%s", e.Dir, e.Who)
	}
	if e.Copy {
		return fmt.Sprintf("the copy in %s is unfinished: satchel copy, or missing, has not put all of it there yet", e.Dir)
	}
	if e.Supplements != "" {
		return fmt.Sprintf("the supplement in %s, of bundle %s, is unfinished: it was never sealed", e.Dir, e.Supplements)
	}
	return fmt.Sprintf("the bundle in %s is unfinished: it was never sealed", e.Dir)
}

// Hint says what to do now.
func (e *UnfinishedError) Hint() string {
	if e.Running {
		return waitForIt
	}
	if e.Copy {
		return "run the same copy again: it goes on where it stopped. If it named damage in its source, copy from another one"
	}
	if e.Supplements != "" {
		return "make the same supplement again: it resumes where it stopped"
	}
	return "run the same command again where it was packed (pack, or repair for a supplement): it resumes where it stopped"
}

// Permanent reports whether reading it again may find it finished.
func (e *UnfinishedError) Permanent() bool { return !e.Running }

// NeedsError says that a bundle needs features that this version of satchel lacks.
// Nothing is known to be wrong with it.
type NeedsError struct {
	Dir      string
	Features []string // as the bundle names them
	PackedBy string   // the version of satchel that packed it; may be empty

	err *seal.NeedsError
}

func (e *NeedsError) Error() string { return fmt.Sprintf("the bundle in %s: %v", e.Dir, e.err) }

// Hint is empty: the error says it all.
func (e *NeedsError) Hint() string { return "" }

// Permanent is true: this version learns nothing more.
func (e *NeedsError) Permanent() bool { return true }

// asNeeds gives the *[NeedsError] that err has in it, nil if there is none.
func asNeeds(dir string, err error) error {
	var needs *seal.NeedsError
	if !errors.As(err, &needs) {
		return nil
	}
	return &NeedsError{Dir: dir, Features: needs.Features, PackedBy: needs.PackedBy, err: needs}
}

// PlainError says that a bundle is not encrypted, and that the caller takes only those that are.
type PlainError struct{ Dir string }

func (e *PlainError) Error() string {
	return fmt.Sprintf("the bundle in %s is not encrypted: who had the drive could read all of it, and make another", e.Dir)
}

// Hint says what to do now.
func (e *PlainError) Hint() string {
	return "if it is meant to be like that, compare its fingerprint with the one on paper, and allow it"
}

// Permanent is true: it stays as it is.
func (e *PlainError) Permanent() bool { return true }

// Fault is one thing that is wrong with a bundle.
type Fault struct {
	File string // below the bundle's directory
	What string // such as "is missing"
}

func (f Fault) String() string { return f.File + " " + f.What }

// DamageError says that a bundle is not what its seals, or its format, say.
type DamageError struct {
	Dir    string
	Faults []Fault // at least one
	Err    error   // what showed it, if anything but a comparison did
	Whole  bool    // what the bundle carries is whole: the faults are of files that follow from others, or of second copies
}

func (e *DamageError) Error() string {
	const most = 3
	var list []string
	for _, f := range e.Faults[:min(most, len(e.Faults))] {
		list = append(list, f.String())
	}
	if n := len(e.Faults) - most; n > 0 {
		list = append(list, "and "+text.Count(n, "more fault", "more faults"))
	}
	msg := fmt.Sprintf("the bundle in %s is damaged: %s", e.Dir, strings.Join(list, ", "))
	if e.Whole {
		msg = fmt.Sprintf("the bundle in %s is not as it was written, but what it carries is whole: %s", e.Dir, strings.Join(list, ", "))
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

func (e *DamageError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *DamageError) Hint() string {
	if e.Whole {
		return "it can be unpacked as it is: only second copies, parity and files for people are wrong, and nothing reads them to unpack; repair rebuilds what it can of them"
	}
	return "repair rebuilds what second copies and parity bring back: it lists that first, and asks"
}

// Permanent is true: the bytes stay what they are.
func (e *DamageError) Permanent() bool { return true }

// RekeyError says that a rekey of a bundle was interrupted. What the bundle
// carries is whole, and whoever could open it still can.
type RekeyError struct {
	Dir     string
	Files   []string     // that belong to it
	Lacking []DriveLabel // drives that it did not get to, if it was interrupted between two drives
}

func (e *RekeyError) Error() string {
	if len(e.Lacking) > 0 {
		return fmt.Sprintf("a rekey of the bundle was interrupted between two drives: %s is not on %s", strings.Join(e.Files, ", "), text.And(Labels(e.Lacking)))
	}
	return fmt.Sprintf("a rekey of the bundle in %s was interrupted; it left %s", e.Dir, strings.Join(e.Files, ", "))
}

// Hint says what to do now.
func (e *RekeyError) Hint() string {
	if len(e.Lacking) > 0 {
		return "run the same rekey again, with all drives: until then it may not open for those whom it was to let in; what the bundle carries is whole, and the keys that opened it still do"
	}
	return "run the same rekey again; what the bundle carries is whole, and the keys that opened it still do"
}

// Permanent is true: reading it again does not finish the rekey.
func (e *RekeyError) Permanent() bool { return true }

// SigningError says that signing a bundle was interrupted: some of its small files are as
// they were before it, some as after it. What the bundle carries is whole.
type SigningError struct {
	Dir   string
	Files []string // the signatures that were added
}

func (e *SigningError) Error() string {
	return fmt.Sprintf("signing the bundle in %s was interrupted; it left %s", e.Dir, strings.Join(e.Files, ", "))
}

// Hint says what to do now.
func (e *SigningError) Hint() string {
	return "sign it again with the same key, or with another: that completes it; what the bundle carries is whole"
}

// Permanent is true: reading it again does not finish the signing.
func (e *SigningError) Permanent() bool { return true }

// ParityError says that adding parity to a bundle was interrupted. What the bundle carries
// is whole, and has no more protection than before.
type ParityError struct {
	Dir   string
	Files []string // that belong to it
}

func (e *ParityError) Error() string {
	return fmt.Sprintf("adding parity to the bundle in %s was interrupted; it left %s", e.Dir, text.Some(e.Files, 3))
}

// Hint says what to do now.
func (e *ParityError) Hint() string {
	return "run the same satchel parity again: it goes on; what the bundle carries is whole"
}

// Permanent is true: reading it again does not add what is missing.
func (e *ParityError) Permanent() bool { return true }

// FingerprintError says that the bundle is not the one whose fingerprint was given.
type FingerprintError struct{ Want, Got Fingerprint }

func (e *FingerprintError) Error() string {
	return fmt.Sprintf("this is another bundle: its fingerprint is %s, expected %s", e.Got, e.Want)
}

// Hint says what to do now.
func (e *FingerprintError) Hint() string {
	return "compare the fingerprint with the one that pack printed; if they differ, do not use this bundle"
}

// Permanent is true: it is another bundle.
func (e *FingerprintError) Permanent() bool { return true }

// SpaceError says that a drive has not enough room, and that nothing was written for that.
type SpaceError struct {
	Dir                  string
	Need, Free           int64 // bytes
	Cluster              int64 // bytes that the smallest file takes, where that matters
	NeedFiles, FreeFiles int64 // how many files there will be, and may be; 0 where bytes are lacking
	Begun                bool  // the bundle was begun earlier, and needs that besides
	MustHold             bool  // no command leaves the check out
	Partly               bool  // what takes no room was repaired
	Alone                bool  // it could be spread over several drives
	Together             int   // so many drives are meant, which lack room together; 0 for one
	// Of drives that lack room together: how many it takes if each further one has Largest bytes, as the largest of them, and
	// how many bytes more are about needed on each; 0 where that is not known.
	Drives          int
	Largest, Larger int64
}

func (e *SpaceError) Error() string {
	if e.NeedFiles > 0 {
		return fmt.Sprintf("%s has room for %d more files, %d are needed: the file system has no more inodes", e.Dir, e.FreeFiles, e.NeedFiles)
	}
	if e.Together > 0 {
		return e.together()
	}
	more := ""
	if e.Begun {
		more = " more"
	}
	free, need := FormatSize(e.Free), FormatSize(e.Need)
	if free == need { // rounded
		free, need = fmt.Sprintf("%d B", e.Free), fmt.Sprintf("%d B", e.Need)
	}
	s := fmt.Sprintf("%s has %s free, %s%s are needed", e.Dir, free, need, more)
	if e.Cluster > perSegment {
		s += fmt.Sprintf(", as the drive counts: each file takes whole clusters of %s", CompactSize(e.Cluster))
	}
	return s
}

func (e *SpaceError) together() string {
	s := fmt.Sprintf("%s have %s free together, and that is not enough", e.Dir, FormatSize(e.Free))
	switch more := "about " + FormatSize(e.Larger) + " more on each of them"; {
	case e.Larger > 0 && e.Drives > 0:
		return s + fmt.Sprintf(": it takes %s, or %d drives if each further one has %s, as the largest of these has", more, e.Drives, FormatSize(e.Largest))
	case e.Larger > 0:
		return s + ": it takes " + more
	case e.Drives > 0:
		return s + fmt.Sprintf(": it takes %d drives if each further one has %s, as the largest of these has", e.Drives, FormatSize(e.Largest))
	}
	return s
}

// Hint says what to do now.
func (e *SpaceError) Hint() string {
	do := "make room on the drive or take a larger one"
	if e.Alone {
		do = "make room on the drive, take a larger one, or spread the bundle over several: a DIR for each, or --drive-size SIZE"
	}
	if e.NeedFiles > 0 {
		do = "remove files that are not needed from the drive, or take one whose file system has more inodes"
	}
	if e.Together > 0 {
		do = "name the directories of more drives, take larger ones, or let drives take turns in one slot (--drive-size SIZE DIR)"
	}
	if e.Begun {
		return "make room on the drive and run the same command again: what is written of the bundle stays, and it resumes where it stopped"
	}
	if e.Partly {
		return "make room on the drive and run the same command again: what takes no room was repaired"
	}
	return do + "; nothing was written or deleted"
}

// Permanent is false: room can be made.
func (e *SpaceError) Permanent() bool { return false }

const waitForIt = "wait until it has finished, or stop it"

// RefusedError says why nothing is written into a directory.
type RefusedError struct {
	Dir    string
	Reason string
	// Unfinished: an unfinished bundle stands in the way, which [Restart] deletes.
	Unfinished bool
	// Busy: another run stands in the way, and will end.
	Busy bool
	// Stream is that of the bundle in the way, if that is all that is different.
	Stream string

	hint   string
	beside bool // in the root of a drive, another bundle can stand beside what is there
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s: %s", e.Dir, e.Reason) }

// Hint says what to do now.
func (e *RefusedError) Hint() string { return e.hint }

// Permanent reports whether the directory stays as it is until someone changes it.
func (e *RefusedError) Permanent() bool { return !e.Busy }
