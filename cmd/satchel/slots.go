package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// driveSlots are the directories into which the drives of a bundle are put one after another.
type driveSlots struct {
	a    *app
	r    *bundle.Reader
	dirs []string // as they were named
	tmp  string   // for what is still needed of the last drive when it leaves
	t    *terminal
}

func (a *app) slotsFor(r *bundle.Reader, dirs []string, tmp string) *driveSlots {
	tmp = cmp.Or(tmp, os.TempDir())
	bundle.SweepKept(tmp)
	return &driveSlots{a: a, r: r, dirs: dirs, tmp: tmp, t: &terminal{}}
}

// Bring is for [unpack.Drives]: it asks on the terminal for one of the drives, by its label,
// until it is here.
func (s *driveSlots) Bring(ctx context.Context, need []bundle.DriveLabel) error {
	var wrong error
	here, err := s.look(ctx, need, func(err error) { // it may be there already
		if exitCode(err) == exitDamaged {
			wrong = errors.Join(wrong, err)
		}
	})
	if here || err != nil {
		return err
	}
	if s.t.open() != nil {
		return errors.Join(wrong, unasked(&bundle.AwayError{Drives: need, Across: s.r.Across()}, s.dirs))
	}
	if wrong != nil {
		s.a.warn("%s", text.Printable(text.Joined(wrong.Error())))
	}
	if err := s.clear(ctx, need); err != nil {
		return err
	}
	for {
		if err := s.ask(ctx, need); err != nil {
			return midway(err)
		}
		here, err := s.look(ctx, need, func(err error) { s.a.warn("%s", text.Printable(text.OneLine(err.Error()))) })
		if here || err != nil {
			return err
		}
	}
}

// Lost is for [unpack.Drives]: it asks on the terminal which of the drives will not come; without a
// terminal none will.
func (s *driveSlots) Lost(ctx context.Context, away []bundle.DriveLabel) (lost []bundle.DriveLabel, err error) {
	_, err = s.look(ctx, away, func(err error) {
		if exitCode(err) == exitDamaged { // it is here, and counts as lost all the same
			s.a.warn("%s", text.Printable(text.Joined(err.Error())))
		}
	})
	if err != nil {
		return nil, err
	}
	for _, d := range s.r.Drives() {
		if d.Dir != "" || !slices.Contains(away, d.DriveLabel) {
			continue
		}
		if s.t.open() == nil {
			will, err := s.t.confirm(ctx, d.String()+" is not here. What now?", "wait for it", "go on without it")
			if err != nil {
				return nil, err
			}
			if will {
				continue
			}
		}
		lost = append(lost, d.DriveLabel)
	}
	return lost, nil
}

// look attaches the drives that are in the slots, and reports whether one is there that is
// needed. One that is not needed and was not here before is let go again, so that it can be unmounted. say
// gets what is wrong with a slot.
func (s *driveSlots) look(ctx context.Context, need []bundle.DriveLabel, say func(error)) (here bool, err error) {
	var before []bundle.DriveLabel
	for _, d := range s.r.Drives() {
		if d.Dir != "" {
			before = append(before, d.DriveLabel)
		}
	}
	for _, dir := range s.dirs {
		taken, err := s.r.Attach(ctx, dir)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			say(err)
		}
		for _, d := range taken {
			if slices.Contains(need, d) {
				here = true
				continue
			}
			say(fmt.Errorf("%s has %s, which is not needed now", dir, d))
			if !slices.Contains(before, d) {
				if err := s.r.Detach(d); err != nil {
					return false, err
				}
			}
		}
	}
	return here, nil
}

// clear lets go of the drives that are not needed now, if there is no slot without one.
func (s *driveSlots) clear(ctx context.Context, need []bundle.DriveLabel) error {
	var in []bundle.Drive
	for _, d := range s.r.Drives() {
		if d.Dir != "" && !slices.Contains(need, d.DriveLabel) {
			in = append(in, d)
		}
	}
	free := slices.ContainsFunc(s.dirs, func(dir string) bool {
		return !slices.ContainsFunc(in, func(d bundle.Drive) bool { return isWithin(d.Dir, dir) })
	})
	if free {
		return nil
	}
	for _, d := range in {
		if d.Last {
			if err := s.r.KeepClosing(ctx, s.tmp); err != nil {
				return fmt.Errorf("keep what is still needed of %s in %s (--tmpdir DIR): %w", d.DriveLabel, s.tmp, err)
			}
		}
		if err := s.r.Detach(d.DriveLabel); err != nil {
			return err
		}
		s.a.info("%s may leave %s", d.DriveLabel, text.Printable(d.Dir))
	}
	return nil
}

// isWithin reports whether a directory is dir, or below it.
func isWithin(of, dir string) bool {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(abs, of)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// ask waits until somebody says that a drive is in its slot.
func (s *driveSlots) ask(ctx context.Context, need []bundle.DriveLabel) error {
	var names []string
	for _, d := range need {
		names = append(names, d.Label())
	}
	what := "drive " + names[0]
	if len(names) > 1 {
		what = "one of the drives " + text.And(names)
	}
	answer, err := s.t.ask(ctx, fmt.Sprintf("Mount %s in %s (Enter: it is there, q: stop) ", what, strings.Join(s.dirs, " or ")), false)
	if err != nil {
		return err
	}
	if typed := strings.ToLower(strings.TrimSpace(answer)); typed == "q" || typed == "quit" {
		return errors.Join(errAnswer, &bundle.AwayError{Drives: need, Across: s.r.Across()})
	}
	return nil
}

// unaskedError is of a drive that nobody could be asked for, where there is one slot: the last drive is needed
// beside each of the others.
type unaskedError struct {
	*bundle.AwayError
	slot string
}

func unasked(e *bundle.AwayError, dirs []string) error {
	if len(dirs) > 1 {
		return e
	}
	return &unaskedError{e, dirs[0]}
}

// Unwrap is the drives that are away.
func (e *unaskedError) Unwrap() error { return e.AwayError }

// Hint says what to do now.
func (e *unaskedError) Hint() string {
	slot := shellWords([]string{e.slot})
	return fmt.Sprintf("with one slot and no terminal, copy the last drive to a disk: satchel copy %s DISK; then run the same command with DISK %s for each of the others", slot, slot)
}

// openDrives is choose and openBundle for a command that can wait for drives: where the last drive
// is not there, which comes first, it asks for it.
func (a *app) openDrives(ctx context.Context, dirs []string, w wanted, want bundle.Wanted, ids []bundle.Identity) (*bundle.Reader, error) {
	s := driveSlots{a: a, dirs: dirs, t: &terminal{}}
	var need []bundle.DriveLabel
	for {
		chosen, err := a.chooseToRead(ctx, dirs, w)
		var r *bundle.Reader
		if err == nil {
			r, err = a.openChoice(chosen, func(dirs []string) (*bundle.Reader, error) { return a.openBundle(ctx, dirs, want, ids) })
		}
		away, isAway := errors.AsType[*bundle.AwayError](err)
		switch {
		case err == nil, !isAway && (need == nil || exitCode(err) != exitDrive): // what was asked for may not be there yet
			return r, err
		case isAway && s.t.open() != nil:
			return nil, unasked(away, dirs)
		case isAway:
			need = away.Drives
		}
		a.warn("%s", text.Printable(text.OneLine(err.Error())))
		if err := s.ask(ctx, need); err != nil {
			return nil, err
		}
	}
}
