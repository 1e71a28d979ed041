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
	DriveName  = "drive.json"
	BundleName = "bundle.json"
	ExtrasName = "extras.json"
	ReadmeName = "README.txt"
	SumsName   = "SHA256SUMS"
	CopyDir    = "copy"
)

// Limits of the grammar.
const (
	MaxLanes    = 100
	MaxSegments = 99999
)

var (
	segmentPattern = regexp.MustCompile(`^s-([0-9]{2})-([0-9]{5})\.age$`)
	keyPattern     = regexp.MustCompile(`^key-([1-9][0-9]?)\.age$`)
	idPattern      = regexp.MustCompile(`^[a-z2-7]{16}$`)
)

// Segment is a segment's place: its lane, and its number in the lane, from 1.
type Segment struct{ Lane, Number int }

// String is the segment's file name.
func (s Segment) String() string { return fmt.Sprintf("s-%02d-%05d.age", s.Lane, s.Number) }

// ParseSegment reads a segment's file name.
func ParseSegment(name string) (Segment, bool) {
	m := segmentPattern.FindStringSubmatch(name)
	if m == nil {
		return Segment{}, false
	}
	lane, _ := strconv.Atoi(m[1])
	number, _ := strconv.Atoi(m[2])
	return Segment{lane, number}, number > 0
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

// IsID reports whether s is a bundle ID.
func IsID(s string) bool { return idPattern.MatchString(s) }

// Known reports whether name, a file directly in a bundle's directory, is of
// the bundle's grammar; a trailing .tmp is allowed when temp is.
func Known(name string, temp bool) bool {
	if temp {
		name = strings.TrimSuffix(name, ".tmp")
	}
	switch name {
	case IndexName, DriveName, BundleName, ExtrasName, ReadmeName, SumsName:
		return true
	}
	_, ok := ParseSegment(name)
	return ok || KeyNumber(name) > 0
}
