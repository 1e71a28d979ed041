package seal

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The names of a bundle's files.
const (
	IndexName  = "index.age"
	PlainIndex = "index.zst" // of a bundle that is not encrypted
	DriveName  = "drive.json"
	BundleName = "bundle.json"
	ExtrasName = "extras.json"
	ReadmeName = "README.txt"
	SumsName   = "SHA256SUMS"
	ParityName = "parity.json"
	CopyDir    = "copy"
)

// Limits of the grammar.
const (
	MaxLanes      = 100
	MaxDrives     = MaxLanes - 1 // each has a lane, and the last one the closing lane besides
	MaxSegments   = 99999        // of a lane
	MaxFiles      = 1 << 18      // segments of a bundle; parity files can protect 254,745
	MaxSignatures = 99           // of one seal
	MaxGroups     = 999
	MaxParity     = 99  // parity files of a group
	MaxShards     = 256 // files of a group, those of parity among them
)

var (
	segmentPattern = regexp.MustCompile(`^s-([0-9]{2})-([0-9]{5})\.(age|zst)$`)
	keyPattern     = regexp.MustCompile(`^key-([1-9][0-9]?)\.age$`)
	signPattern    = regexp.MustCompile(`^(bundle\.json|drive\.json)(?:\.([2-9]|[1-9][0-9]))?\.sig$`)
	flatPattern    = regexp.MustCompile(`^(bundle|drive)-json(?:-([2-9]|[1-9][0-9]))?\.sig$`)
	parityPattern  = regexp.MustCompile(`^p-([0-9]{3})-([0-9]{2})\.par$`)
	otherPattern   = regexp.MustCompile(`^other-([1-9][0-9]?)-(?:(drive\.json|bundle\.json|index\.age|index\.zst)|(drive|bundle)-([1-9][0-9]?)\.sig)$`)
	idPattern      = regexp.MustCompile(`^[a-z2-7]{16}$`)
)

// Segment is a segment's place: its lane, and its number in the lane, from 1; and whether it
// is one that is not encrypted.
type Segment struct {
	Lane, Number int
	Plain        bool
}

// String is the segment's file name.
func (s Segment) String() string {
	if s.Plain {
		return fmt.Sprintf("s-%02d-%05d.zst", s.Lane, s.Number)
	}
	return fmt.Sprintf("s-%02d-%05d.age", s.Lane, s.Number)
}

// IndexOf is the name of the index of a bundle that is encrypted, or is not.
func IndexOf(plain bool) string {
	if plain {
		return PlainIndex
	}
	return IndexName
}

// ParseSegment reads a segment's file name.
func ParseSegment(name string) (Segment, bool) {
	m := segmentPattern.FindStringSubmatch(name)
	if m == nil {
		return Segment{}, false
	}
	lane, _ := strconv.Atoi(m[1])
	number, _ := strconv.Atoi(m[2])
	return Segment{lane, number, m[3] == "zst"}, number > 0
}

// KeyName is the name of the key file n, 1 to 99.
func KeyName(n int) string { return fmt.Sprintf("key-%d.age", n) }

// KeyNumber is the number of a key file, 0 if name is not that of one.
func KeyNumber(name string) int {
	m := keyPattern.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// SignatureName is the name of the signature n, from 1, of a seal: bundle.json.sig,
// bundle.json.2.sig and so on.
func SignatureName(of string, n int) string {
	if n == 1 {
		return of + ".sig"
	}
	return fmt.Sprintf("%s.%d.sig", of, n)
}

// ParseSignature reads the name of a signature file: which seal it is of, and its number.
func ParseSignature(name string) (of string, n int, ok bool) {
	m := signPattern.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false
	}
	if n, _ = strconv.Atoi(m[2]); n == 0 {
		n = 1
	}
	return m[1], n, true
}

// IsSignature reports whether name is that of a signature file.
func IsSignature(name string) bool {
	_, _, ok := ParseSignature(name)
	return ok
}

// Label is what a person writes on a drive of a bundle of several, such as K3V6Q2MZ-2. The ID
// must be valid.
func Label(id string, drive int) string {
	return fmt.Sprintf("%s-%d", strings.ToUpper(id[:8]), drive)
}

// ParityFile is the place of a parity file: its group, and its number in the group, each from 1.
type ParityFile struct{ Group, Number int }

// String is the parity file's name.
func (p ParityFile) String() string { return fmt.Sprintf("p-%03d-%02d.par", p.Group, p.Number) }

// ParseParityFile reads a parity file's name.
func ParseParityFile(name string) (ParityFile, bool) {
	m := parityPattern.FindStringSubmatch(name)
	if m == nil {
		return ParityFile{}, false
	}
	group, _ := strconv.Atoi(m[1])
	number, _ := strconv.Atoi(m[2])
	return ParityFile{group, number}, group > 0 && number > 0
}

// IsParityFile reports whether name is that of a parity file.
func IsParityFile(name string) bool {
	_, ok := ParseParityFile(name)
	return ok
}

// IsParity reports whether name is that of parity.json or of a parity file.
func IsParity(name string) bool { return name == ParityName || IsParityFile(name) }

// OtherName is the name under which the other drives of a bundle have a copy of a small file of
// one: its drive.json, bundle.json, index or a signature file.
func OtherName(drive int, name string) string {
	if of, n, ok := ParseSignature(name); ok {
		name = fmt.Sprintf("%s-%d.sig", strings.TrimSuffix(of, ".json"), n)
	}
	return fmt.Sprintf("other-%d-%s", drive, name)
}

// ParseOther reads a name that [OtherName] gives: of which drive and which file it is a copy.
func ParseOther(name string) (drive int, of string, ok bool) {
	m := otherPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, "", false
	}
	drive, _ = strconv.Atoi(m[1])
	if m[2] != "" {
		return drive, m[2], true
	}
	n, _ := strconv.Atoi(m[4])
	return drive, SignatureName(m[3]+".json", n), true
}

// IsOther reports whether name is that of a copy of a small file of another drive.
func IsOther(name string) bool { return otherPattern.MatchString(name) }

// IsAdded reports whether name is that of a file which adding parity adds.
func IsAdded(name string) bool { return IsParity(name) || IsOther(name) }

// IsID reports whether s is a bundle ID.
func IsID(s string) bool { return idPattern.MatchString(s) }

// Known reports whether name, a file directly in a bundle's directory, is of
// the bundle's grammar; a trailing .tmp is allowed when temp is.
func Known(name string, temp bool) bool {
	if temp {
		name = strings.TrimSuffix(name, ".tmp")
	}
	switch name {
	case IndexName, PlainIndex, DriveName, BundleName, ExtrasName, ReadmeName, SumsName:
		return true
	}
	_, ok := ParseSegment(name)
	return ok || KeyNumber(name) > 0 || IsSignature(name) || IsAdded(name)
}

// Canonical is the name of the grammar that a copy has written otherwise: in capitals, with
// _ for -, or with a version number, as ISO 9660 has names. It is "" if there is none.
func Canonical(name string) string {
	base := plain(name)
	for _, known := range []string{ReadmeName, SumsName, CopyDir} {
		if strings.EqualFold(base, known) {
			return known
		}
	}
	if Known(base, false) {
		return base
	}
	if m := flatPattern.FindStringSubmatch(base); m != nil { // all full stops but the last have gone
		n, _ := strconv.Atoi(m[2])
		return SignatureName(m[1]+".json", max(n, 1))
	}
	return ""
}

// plain undoes what can be undone of what ISO 9660 does to names.
func plain(name string) string {
	base, version, ok := strings.Cut(name, ";")
	if _, err := strconv.Atoi(version); !ok || err != nil {
		base = name
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(base, ".")), "_", "-")
}

// MayBeShort reports whether name may be what is left of that of a seal, as BUNDLE.JSO is.
func MayBeShort(name string) bool {
	base := plain(name)
	return Canonical(name) == "" && !strings.HasSuffix(base, ".tmp") && strings.Contains(base, ".js") && (strings.HasPrefix(base, "bundle") || strings.HasPrefix(base, "drive"))
}

// MarksBundle reports whether a file of that name says that its directory is a bundle's,
// or was: README.txt and SHA256SUMS are common elsewhere too.
func MarksBundle(name string) bool {
	switch c := Canonical(name); c {
	case ReadmeName, SumsName, CopyDir:
		return false
	default:
		return c != "" || MayBeShort(name)
	}
}
