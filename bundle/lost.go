package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Lost is what a damaged bundle has lost, by the names of files alone: nothing in it is secret. It
// is written where the bundle was read ([LostOf]), and goes back to the host that packed it: as a file, or
// on paper.
type Lost struct {
	Bundle      string      // its ID
	Fingerprint Fingerprint // "" if it is not known
	Drives      []int       // drives of which all is lost, rising
	Files       []string    // segments, and the index; in name order
}

// lostHead is the first line of a list.
const lostHead = "satchel lost/1"

// maxLost is how many bytes a list may have: a line for each segment that a bundle can have is
// a third of it.
const maxLost = 16 << 20

// ListError says what is wrong with a list of what is lost.
type ListError struct {
	File string // that it was read from
	Line int    // 0 for all of it
	Why  string
}

func (e *ListError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s is not a list of what a bundle has lost: %s", e.File, e.Why)
	}
	return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, e.Why)
}

// Hint says what to do now.
func (e *ListError) Hint() string {
	return `by hand, it is the line "` + lostHead + `", then "bundle ID", then a line "drive N" for each lost drive and "file NAME" for each lost file`
}

// Permanent is true: the list stays what it is.
func (e *ListError) Permanent() bool { return true }

// Empty reports whether nothing is lost.
func (l Lost) Empty() bool { return len(l.Drives)+len(l.Files) == 0 }

// Marshal writes the list.
func (l Lost) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nbundle %s\n", lostHead, l.Bundle)
	if l.Fingerprint != "" {
		fmt.Fprintf(&b, "fingerprint %s\n", l.Fingerprint)
	}
	for _, n := range l.Drives {
		fmt.Fprintf(&b, "drive %d\n", n)
	}
	for _, name := range l.Files {
		fmt.Fprintf(&b, "file %s\n", name)
	}
	return b.Bytes()
}

// ReadLost reads a list of what is lost. Errors: *[ListError], and those of the file.
func ReadLost(path string) (Lost, error) {
	f, err := os.Open(path)
	if err != nil {
		return Lost{}, &media.Error{Op: "read", Path: path, Err: err}
	}
	body, err := io.ReadAll(io.LimitReader(f, maxLost+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return Lost{}, &media.Error{Op: "read", Path: path, Err: err}
	}
	if len(body) > maxLost {
		return Lost{}, &ListError{File: path, Why: "it is too large"}
	}
	return parseLost(path, body)
}

// parseLost reads lines as people type them: empty ones, comments after "#", and capitals do not
// matter.
func parseLost(path string, body []byte) (l Lost, err error) {
	sc := bufio.NewScanner(bytes.NewReader(body))
	begun := false
	for n := 1; sc.Scan(); n++ {
		line, _, _ := strings.Cut(sc.Text(), "#")
		words := strings.Fields(strings.ToLower(line))
		switch {
		case len(words) == 0:
		case !begun && strings.Join(words, " ") == lostHead:
			begun = true
		case !begun:
			return l, &ListError{File: path, Why: `its first line is not "` + lostHead + `"`}
		default:
			if why := l.take(words); why != "" {
				return l, &ListError{File: path, Line: n, Why: why}
			}
		}
	}
	switch {
	case sc.Err() != nil:
		return l, &ListError{File: path, Why: sc.Err().Error()}
	case !begun:
		return l, &ListError{File: path, Why: "it is empty"}
	case l.Bundle == "":
		return l, &ListError{File: path, Why: "it names no bundle"}
	}
	return l.sorted(), nil
}

// take takes one line in, and says what is wrong with it.
func (l *Lost) take(words []string) (why string) {
	value := strings.Join(words[1:], "")
	switch words[0] {
	case "bundle":
		value = strings.TrimPrefix(value, dirPrefix)
		if !seal.IsID(value) || l.Bundle != "" && l.Bundle != value {
			return fmt.Sprintf("%.40q is not the ID of one bundle", value)
		}
		l.Bundle = value
	case "fingerprint":
		fp, err := ParseFingerprint(value)
		if err != nil {
			return err.Error()
		}
		l.Fingerprint = fp
	case "drive":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > seal.MaxDrives {
			return fmt.Sprintf("%.40q is not the number of a drive", value)
		}
		l.Drives = append(l.Drives, n)
	case "file":
		if _, ok := seal.ParseSegment(value); !ok && !isIndex(value) {
			return fmt.Sprintf("%.40q is neither a segment nor the index", value)
		}
		l.Files = append(l.Files, value)
	default:
		return fmt.Sprintf("%.40q is not bundle, fingerprint, drive or file", words[0])
	}
	return ""
}

func isIndex(name string) bool { return name == seal.IndexName || name == seal.PlainIndex }

func (l Lost) sorted() Lost {
	slices.Sort(l.Drives)
	slices.Sort(l.Files)
	l.Drives, l.Files = slices.Compact(l.Drives), slices.Compact(l.Files)
	return l
}

// And joins two lists of one bundle.
func (l Lost) And(o Lost) (Lost, error) {
	if l.Bundle != o.Bundle || l.Fingerprint != "" && o.Fingerprint != "" && l.Fingerprint != o.Fingerprint {
		return l, &ListError{File: "the list", Why: fmt.Sprintf("one is of bundle %s, another one of bundle %s", l.Bundle, o.Bundle)}
	}
	if l.Fingerprint == "" {
		l.Fingerprint = o.Fingerprint
	}
	l.Drives, l.Files = slices.Concat(l.Drives, o.Drives), slices.Concat(l.Files, o.Files)
	return l.sorted(), nil
}

// LostOf lists what a verified bundle has lost: what is damaged or missing and cannot be rebuilt, and, if several
// drives were looked at, those that are not here and cannot be made anew from the others, with what cannot be rebuilt
// without them. Of one drive by itself it lists what no other drive can bring back. A drive that nothing is read from
// without a small file that is lost is lost as a whole.
func LostOf(r *Report) Lost {
	l, extra := Lost{Bundle: r.Bundle, Fingerprint: r.Fingerprint}, map[string]bool{}
	for _, f := range r.Faults {
		extra[f.File] = f.What == whatExtra
	}
	for _, m := range r.Remedies {
		_, listed := seal.ParseSegment(m.File)
		listed = (listed || isIndex(m.File)) && !extra[m.File]
		if listed && r.takenForLost(m) {
			l.Files = append(l.Files, m.File)
		}
	}
	anew := func(n int) bool {
		return slices.ContainsFunc(r.Rebuildable, func(d DriveLabel) bool { return d.Number == n })
	}
	for _, d := range r.Away {
		if len(r.Drives) > 1 && !anew(d.Number) { // one alone may be looked at before the others
			l.Drives = append(l.Drives, d.Number)
		}
	}
	for _, d := range r.Drives {
		if d.Number > 0 && !anew(d.Number) && d.Unread() && !copiedBadly(d.Err) { // its seals cannot be read, and so nothing of it
			l.Drives = append(l.Drives, d.Number)
		}
	}
	drives := r.Drives
	if len(drives) == 0 {
		drives = []DriveReport{{DriveLabel: DriveLabel{Number: 1}, Remedies: r.Remedies}}
	}
	for _, d := range drives {
		if slices.ContainsFunc(d.Remedies, func(m Remedy) bool {
			return opens(m.File) && r.takenForLost(m)
		}) {
			l.Drives = append(l.Drives, d.Number)
		}
	}
	return l.sorted()
}

// takenForLost reports whether a file cannot be rebuilt. Of several drives that were looked at, those that are not here are
// taken for lost; those that were copied badly can be copied again.
func (r *Report) takenForLost(m Remedy) bool {
	again := slices.ContainsFunc(r.Drives, func(d DriveReport) bool {
		return copiedBadly(d.Err) && slices.ContainsFunc(m.Away, func(l DriveLabel) bool { return l.Number == d.Number })
	})
	return m.Lost != "" && !m.Extra || m.Open() && len(r.Drives) > 1 && !again
}

// opens reports whether nothing is read from a drive where a file and its second copy are lost: what names its small
// files, a key file, a signature.
func opens(name string) bool {
	name = strings.TrimPrefix(name, seal.CopyDir+"/")
	return name == seal.ExtrasName || seal.KeyNumber(name) > 0 || seal.IsSignature(name)
}

// LostWhole lists a drive of which the seals are lost with their second copies, and so all of it, if other small files
// of it say which drive of which bundle it is.
func LostWhole(dir string) (l Lost, ok bool) {
	p, err := identify(dir)
	if err != nil || p == nil || p.id == "" || p.drive == 0 {
		return l, false
	}
	return Lost{Bundle: p.id, Drives: []int{p.drive}}, true
}

// copiedBadly reports whether a drive cannot be read because of how it was copied: nothing of the original is lost.
func copiedBadly(err error) bool {
	_, unfinished := errors.AsType[*UnfinishedError](err)
	_, changed := errors.AsType[*CopyError](err)
	return unfinished || changed
}
