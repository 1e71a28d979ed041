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
	KeyName    = "key-1.age"
	CopyDir    = "copy"
)

// Limits of the grammar.
const (
	MaxLanes    = 100
	MaxSegments = 99999
)

var (
	segmentPattern = regexp.MustCompile(`^s-([0-9]{2})-([0-9]{5})\.age$`)
	keyPattern     = regexp.MustCompile(`^key-[1-9][0-9]{0,3}\.age$`)
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

// IsKey reports whether name is that of a key file.
func IsKey(name string) bool { return keyPattern.MatchString(name) }

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
	return ok || IsKey(name)
}
