package prepare

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// tolerate passes an error on, unless gaps are allowed and it joins nothing but gaps
// that the sources have definitely left: those are noted, and their images dropped.
func (s *Set) tolerate(err error) error {
	if err == nil || !s.KeepGoing {
		return err
	}
	list, ok := oci.Gaps(err)
	if !ok {
		return err
	}
	if slices.ContainsFunc(list, func(g *oci.Gap) bool { return !Permanent(g.Err) }) {
		errs := make([]error, len(list))
		for i, g := range list {
			errs[i] = &AllowedError{g}
			if isAway(g.Err) {
				errs[i] = &AwayError{g}
			}
		}
		return errors.Join(errs...)
	}
	for _, g := range list {
		s.drop(g)
	}
	return s.checkLeft(err)
}

// checkLeft returns an error if the gaps that err joins, and are noted, left no image.
func (s *Set) checkLeft(err error) error {
	list, _ := oci.Gaps(err)
	if len(list) == 0 || len(s.Graph.Images) > 0 {
		return nil
	}
	errs := []error{errors.New("no image is left to carry")}
	for _, g := range list {
		errs = append(errs, &AllowedError{g})
	}
	return errors.Join(errs...)
}

// Tolerate is for an error that comes after [Set.Prepare]: if gaps are allowed and it is
// nothing but gaps, their images, and what is attached to them, leave the set.
func (s *Set) Tolerate(ctx context.Context, err error) error {
	if err := s.tolerate(err); err != nil {
		return err
	}
	s.dropOrphans()
	if err := s.checkLeft(err); err != nil { // signatures alone are not worth a bundle
		return err
	}
	s.reportCounts()
	return s.checkForeign(ctx)
}

// AwayError says of an image that its registry is away, so that it is no gap.
type AwayError struct{ *oci.Gap }

func (e *AwayError) Unwrap() error { return e.Gap }

// Hint says what to do now.
func (e *AwayError) Hint() string {
	return "an image is left out as a gap if its registry refuses it, not if the registry is away: run the same command again when it is back, or leave its images out with blockedImages"
}

// AllowedError is a gap of a run that allows gaps, and fails for another reason.
type AllowedError struct{ *oci.Gap }

func (e *AllowedError) Unwrap() error { return e.Gap }

// isAway reports whether an error is that of a registry which may come back.
func isAway(err error) bool {
	var e interface{ Away() bool }
	return errors.As(err, &e) && e.Away()
}

// Permanent reports whether trying again would give the same answer, as far as one can
// tell: the registry refuses, or what it gives is wrong.
func Permanent(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

// drop notes a gap and drops its image.
func (s *Set) drop(g *oci.Gap) {
	s.dropImages(func(i oci.Image) bool {
		return i.Source == g.Image.Source && i.Path == g.Image.Path && i.Subject == g.Image.Subject &&
			(g.Image.Root.Digest == "" || i.Root.Digest == g.Image.Root.Digest) // a catalog may be filtered in two ways
	})
	if s.Gaps.Add(g) {
		s.rendered = nil
		s.Warn("gap: %s", text.Joined(g.Error()))
	}
}
