package seal

import (
	"fmt"
	"regexp"
	"sync"
)

// MaxSequence is the highest number of a bundle in its stream.
const MaxSequence = 1<<31 - 1

var (
	ledgerPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	streamPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`) })
)

// Stream is the row of bundles that one packing host makes of one configuration. Two bundles
// are of the same stream if both fields are equal. The zero value is no stream.
type Stream struct {
	Ledger string `json:"ledger"` // 32 hexadecimal digits: the ledger that counts the bundles
	Name   string `json:"name"`   // [a-z0-9][a-z0-9._-]{0,63}
}

// Check reports what is wrong with a stream.
func (s Stream) Check() error {
	if !ledgerPattern.MatchString(s.Ledger) {
		return fmt.Errorf("ledger ID %.40q: it must have 32 hexadecimal digits", s.Ledger)
	}
	return CheckStreamName(s.Name)
}

// CheckStreamName reports what is wrong with the name of a stream.
func CheckStreamName(name string) error {
	if !streamPattern().MatchString(name) {
		return fmt.Errorf("stream name %.80q: it must have 1 to 64 characters of a-z, 0-9, full stop, hyphen and underscore, and begin with a letter or digit", name)
	}
	return nil
}

// Same reports whether two bundles are of one stream. Those of no stream never are.
func (s Stream) Same(other Stream) bool { return s == other && s != Stream{} }

// String is for people: the name and the beginning of the ledger's ID.
func (s Stream) String() string {
	if s == (Stream{}) {
		return "no stream"
	}
	return fmt.Sprintf("%s (ledger %.8s)", s.Name, s.Ledger)
}
