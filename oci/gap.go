package oci

import "strings"

// GapError says that one image cannot be had. What looks at many images joins
// one for each, so that a caller may go on without those.
type GapError struct {
	Image Image
	Err   error
}

func (e *GapError) Error() string {
	name := "image " + e.Image.Source.String() + ": "
	return name + strings.TrimPrefix(e.Err.Error(), name) // some causes name it themselves
}

func (e *GapError) Unwrap() error { return e.Err }

// Gaps takes a joined error apart. It is false if anything else than gaps is in it.
func Gaps(err error) ([]*GapError, bool) {
	if gap, ok := err.(*GapError); ok {
		return []*GapError{gap}, true
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil, err == nil
	}
	var list []*GapError
	for _, e := range joined.Unwrap() {
		gaps, ok := Gaps(e)
		if !ok {
			return nil, false
		}
		list = append(list, gaps...)
	}
	return list, true
}
