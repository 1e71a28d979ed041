package oci

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Gap is an image that was asked for and is not carried, as an error and, in an
// inventory, as data. What looks at many images joins one for each, so that a caller
// may continue without those. One that was read again has of the image what [Gap.MarshalJSON]
// writes, and of the error its words.
type Gap struct {
	Image Image
	Err   error // why it is not available
}

func (g *Gap) Error() string {
	cause := g.Err.Error()
	for _, name := range []string{"image " + g.Image.Describe() + ": ", "image " + g.Image.Source.String() + ": "} {
		cause = strings.TrimPrefix(cause, name) // some causes name it themselves
	}
	for _, r := range g.Image.Reasons {
		if r.Kind == ReasonPlatforms {
			cause += "; it is carried " + r.String()
		}
	}
	return "image " + g.Image.Describe() + ": " + cause
}

func (g *Gap) Unwrap() error { return g.Err }

// Validate checks a gap as [Image.Validate] does an image.
func (g Gap) Validate() error {
	img := g.Image
	if _, err := ParseRef(img.Source.String()); err != nil {
		return err
	}
	if d := img.Root.Digest; d != "" {
		if err := CheckDigest(d); err != nil {
			return err
		}
	}
	if img.Subject != "" {
		if err := CheckDigest(img.Subject); err != nil {
			return err
		}
	}
	if g.Err != nil && len(g.Err.Error()) > maxWords {
		return fmt.Errorf("its error has %d bytes", len(g.Err.Error()))
	}
	return errors.Join(img.Origin.check(), checkPath(img.Path), checkReasons(img.Reasons))
}

// Gaps takes a joined error apart. It is false if anything else than gaps is in it.
func Gaps(err error) ([]*Gap, bool) {
	//lint:ignore errorlint joined errors are taken apart here, one by one
	if gap, ok := err.(*Gap); ok {
		return []*Gap{gap}, true
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) == 0 {
		return nil, err == nil
	}
	var list []*Gap
	for _, e := range joined.Unwrap() {
		gaps, ok := Gaps(e)
		if !ok {
			return nil, false
		}
		list = append(list, gaps...)
	}
	return list, true
}

// JoinGaps makes one error of many gaps, in the order of an inventory; nil of none.
func JoinGaps(gaps []*Gap) error {
	slices.SortStableFunc(gaps, func(a, b *Gap) int { return a.Image.Compare(b.Image) })
	errs := make([]error, len(gaps))
	for i, g := range gaps {
		errs[i] = g
	}
	return errors.Join(errs...)
}

// Compare is the order of an inventory: by source reference, then origin and path.
func (i Image) Compare(o Image) int {
	return cmp.Or(cmp.Compare(i.Source.String(), o.Source.String()), cmp.Compare(i.Origin, o.Origin), cmp.Compare(i.Path, o.Path))
}
