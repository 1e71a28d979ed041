package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
)

// packDirectories checks the directories of pack: one for each drive.
func packDirectories(cmd *cobra.Command, args []string) error {
	if err := someDirectories(cmd, args); err != nil {
		return err
	}
	if len(args) > bundle.MaxDrives {
		return usage(fmt.Errorf("%d directories: a bundle is on at most %d drives", len(args), bundle.MaxDrives), "take larger drives")
	}
	var paths []string
	for _, dir := range args {
		path, err := filepath.Abs(dir)
		if to, lerr := filepath.EvalSymlinks(dir); err == nil && lerr == nil {
			path, err = filepath.Abs(to)
		}
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	for i, dir := range args {
		if slices.Contains(paths[:i], paths[i]) {
			return usage(fmt.Errorf("%s is named twice", dir), "name a directory for each drive, or one with --drive-size")
		}
	}
	return nil
}

// nextDrive asks for a drive; nil where the run is not watched on a terminal.
func (a *app) nextDrive() func(context.Context, *pack.NextDriveError) (string, error) {
	if !a.isWatched() {
		return nil
	}
	return func(ctx context.Context, wanted *pack.NextDriveError) (string, error) {
		if wanted.Why != nil {
			a.warn("%v", wanted.Why)
		}
		if wanted.Finished != "" {
			a.info("drive %s is finished: unmount it and remove it", wanted.Finished)
		}
		a.info("drive %s is next: %s; write the label on it", wanted.Label, wanted.What())
		question := fmt.Sprintf("Mount it at %s and press Enter, or type the directory where it is: ", wanted.Dir)
		if wanted.Begun {
			question = fmt.Sprintf("Mount it at %s and press Enter, or type the directory where it is. If it cannot come back, mount a new one and type new: ", wanted.Dir)
		}
		answer, err := a.ui(ctx).Ask(question, false)
		switch {
		case errors.Is(err, bundle.ErrNoTerminal):
			return "", wanted
		case err != nil:
			return "", midway(err)
		case strings.EqualFold(strings.TrimSpace(answer), "q"):
			return "", midway(errAnswer)
		case wanted.Begun && strings.TrimSpace(answer) == "new":
			return "", pack.ErrBeginAgain
		}
		return cmp.Or(typedPath(strings.TrimSpace(answer)), wanted.Dir), nil
	}
}
