package oci

import "strings"

// GapError says that one image cannot be had. What looks at many images joins
// one for each, so that a caller may go on without those.
type GapError struct {
	Image Image
	Err   error
}

func (e *GapError) Error() string {
	cause := e.Err.Error()
	for _, name := range []string{"image " + e.Image.Named() + ": ", "image " + e.Image.Source.String() + ": "} {
		cause = strings.TrimPrefix(cause, name) // some causes name it themselves
	}
	for _, why := range e.Image.Why {
		if strings.HasPrefix(why, WhyWith) {
			cause += "; it is carried " + why
		}
	}
	return "image " + e.Image.Named() + ": " + cause
}

func (e *GapError) Unwrap() error { return e.Err }

// Gaps takes a joined error apart. It is false if anything else than gaps is in it.
func Gaps(err error) ([]*GapError, bool) {
	if gap, ok := err.(*GapError); ok {
		return []*GapError{gap}, true
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) == 0 {
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
