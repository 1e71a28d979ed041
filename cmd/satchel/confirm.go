package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
)

// confirmPlace asks whether a bundle goes where it may not belong; nil where the run is
// not watched on a terminal.
func (a *app) confirmPlace() func(context.Context, string) (bool, error) {
	if f, ok := a.stderr.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	return func(ctx context.Context, _ string) (bool, error) {
		yes, err := a.ui(ctx).Confirm("Pack there?", "yes", "no")
		if errors.Is(err, bundle.ErrNoTerminal) {
			return true, nil // the warning has to do
		}
		return yes, err
	}
}
