package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
)

// isWatched reports whether a person sees what the run says, and can answer.
func (a *app) isWatched() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
}

// agree asks whether to do what loses finished work, or may be a mistake; nil where nobody is there to say so.
func (a *app) agree(yes bool) func(context.Context, string) (bool, error) {
	switch {
	case yes:
		return func(context.Context, string) (bool, error) { return true, nil }
	case !a.isWatched():
		return nil
	}
	return func(ctx context.Context, question string) (bool, error) {
		agreed, err := a.ui(ctx).Confirm(question, "yes", "no")
		if errors.Is(err, bundle.ErrNoTerminal) {
			return false, nil
		}
		return agreed, err
	}
}

// confirmPlace asks whether a bundle goes where it may not belong; nil where the run is
// not watched on a terminal.
func (a *app) confirmPlace(question string) func(context.Context, string) (bool, error) {
	if !a.isWatched() {
		return nil
	}
	return func(ctx context.Context, _ string) (bool, error) {
		yes, err := a.ui(ctx).Confirm(question, "yes", "no")
		if errors.Is(err, bundle.ErrNoTerminal) {
			return true, nil // the warning has to do
		}
		return yes, err
	}
}
