package bundle

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/text"
)

// CopyError says that a bundle is not damaged, but was changed by whatever copied it: line
// ends, or names.
type CopyError struct {
	Dir    string
	Files  []string // whose line ends are CR LF now; none: names were cut short
	Name   string   // a name that was cut short
	Faults []Fault  // what else is wrong with it
}

func (e *CopyError) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("the bundle in %s was changed by a copy: its files have lost their names, %s is one that was cut short, as ISO 9660 level 1 and FAT without long names do", e.Dir, text.Printable(e.Name))
	}
	msg := fmt.Sprintf("the bundle in %s was changed by a copy: the line ends are CR LF now in %s", e.Dir, text.Some(e.Files, 5))
	if len(e.Faults) == 0 {
		return msg + "; what it carries is whole"
	}
	var list []string
	for _, f := range e.Faults {
		list = append(list, f.String())
	}
	if onlyDerived(e.Faults) {
		return msg + "; what it carries is whole; besides, " + text.Some(list, 3)
	}
	return msg + "; it is not whole either: " + text.Some(list, 3)
}

// Hint says what to do now.
func (e *CopyError) Hint() string {
	if e.Name != "" {
		return "copy it again in a way that keeps names: on a disc with Rock Ridge or Joliet, or packed into one file by tar"
	}
	return "copy it again byte for byte: not as text, without a conversion of line ends"
}

// Permanent is true: reading it again does not change it.
func (e *CopyError) Permanent() bool { return true }

func shortNames(p location) error { return &CopyError{Dir: p.dir, Name: p.short} }

// unixLines undoes what a copy as text does to line ends. The files that it is for never
// have a CR of their own.
func unixLines(body []byte) []byte {
	if !bytes.Contains(body, []byte("\r\n")) {
		return body // without a second one in memory
	}
	return bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
}

// isText reports whether a file of the bundle is text.
func isText(name string) bool {
	switch strings.TrimPrefix(name, seal.CopyDir+"/") {
	case seal.BundleName, seal.DriveName, seal.ExtrasName, seal.ParityName, seal.ReadmeName, seal.SumsName:
		return true
	}
	name = strings.TrimPrefix(name, seal.CopyDir+"/")
	_, of, other := seal.ParseOther(name)
	return seal.IsSignature(name) || other && isText(of)
}

// wasConverted reports whether a file differs from one of want in its line ends alone.
func (v *verification) wasConverted(name string, want []seal.File) bool {
	if !isText(name) {
		return false
	}
	body, err := v.dir.ReadFile(name, seal.MaxSize)
	return err == nil && slices.Contains(want, seal.FileOf(name, unixLines(body)))
}

// damageOf is damage by these faults.
func damageOf(dir string, faults []Fault) error {
	return &DamageError{Dir: dir, Faults: faults, Whole: onlyDerived(faults)}
}

// onlyDerived reports whether all faults are of second copies, of files that follow from
// others, and of parity.
func onlyDerived(faults []Fault) bool {
	return !slices.ContainsFunc(faults, func(f Fault) bool {
		return f.File != seal.ReadmeName && f.File != seal.SumsName && f.File != seal.CopyDir && !seal.IsAdded(f.File) && !strings.HasPrefix(f.File, seal.CopyDir+"/")
	})
}

// translate finds the files of the bundle that are there under a name that a copy has
// written otherwise. Other files are left alone.
func (s *driveDir) translate() error {
	bound := s.always()
	bound[seal.CopyDir] = true
	for _, f := range s.files() {
		bound[f.Name] = true
	}
	return s.dir.Translate(seal.CopyDir, func(name string) string {
		if c := seal.Canonical(name); bound[c] {
			return c
		}
		return ""
	})
}
