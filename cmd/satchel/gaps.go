package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// gapsError says that a bundle was finished without some images.
type gapsError struct {
	count gapCount
	file  string
	later []string // the command that carries them, but for the directory
}

func (e *gapsError) Error() string {
	return fmt.Sprintf("finished without %s, listed in %s", e.count, e.file)
}

func (e *gapsError) Hint() string {
	return fmt.Sprintf("carry them later with: %s DIR, into another DIR", shellWords(e.later))
}

// laterWords are the words of the command that carries what a list names, with the flags of
// the one that was typed, but for those that are about that run alone. What a supplement goes without, another one brings
// with the rest.
func laterWords(flags *pflag.FlagSet, typed []string, list string) []string {
	words := typedFlags(flags, typed, func(name string) bool {
		return !slices.Contains([]string{"only", "gaps", "keep-going", "restart", "begin-again"}, name)
	})
	if flags.Lookup("from-source") != nil {
		return append([]string{"satchel", "repair"}, words...)
	}
	return append(append([]string{"satchel", "pack"}, words...), "--only", list)
}

// typedFlags are the words of the flags that were typed, of those that are meant.
func typedFlags(flags *pflag.FlagSet, typed []string, meant func(name string) bool) (words []string) {
	_ = flags.ParseAll(typed, func(f *pflag.Flag, value string) error { // cobra has read the same, and found nothing wrong
		if !meant(f.Name) {
			return nil
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand
		}
		switch {
		case f.NoOptDefVal == "":
			words = append(words, name, value)
		case value == f.NoOptDefVal:
			words = append(words, name)
		default:
			words = append(words, name+"="+value)
		}
		return nil
	})
	return words
}

// addGaps defines the flag for the list of what drives have that are not here.
func addGaps(f *pflag.FlagSet, to *string, usage string) {
	f.StringVar(to, "gaps", "", usage)
}

// lostDrivesError says which images are not whole without drives.
type lostDrivesError struct {
	err  error
	file string // the list
}

func (e *lostDrivesError) Error() string { return fmt.Sprintf("%v; listed in %s", e.err, e.file) }
func (e *lostDrivesError) Unwrap() error { return e.err }

// Hint says what to do now.
func (e *lostDrivesError) Hint() string {
	list := "take " + text.Printable(e.file) + " to the packing host, and carry these images in another bundle with: satchel pack -c FILE -r RECIPIENT --only " + shellWords([]string{e.file}) + " DIR; unpack that, then this one once more"
	if lost, ok := errors.AsType[*unpack.LostError](e.err); ok && len(lost.Lost.Lost) == 0 {
		return list // there is a supplement, which has gaps
	}
	return "have the packing host make a supplement of what is lost, with which the mirror gets the same digests, YAML and receipt: satchel verify --lost FILE with the directories of all drives that are left lists it, satchel repair --from-source --lost FILE makes it, and unpack takes both; " +
		"or " + list
}

// damagedDriveError is damage of a drive that may be taken for lost.
type damagedDriveError struct {
	error
	drive bundle.DriveLabel
}

// Unwrap is the damage.
func (e *damagedDriveError) Unwrap() error { return e.error }

// Hint says what to do now.
func (e *damagedDriveError) Hint() string {
	return fmt.Sprintf("or take %s for lost: run the same command with the directories of all other drives, each by itself, and without that one", e.drive)
}

// mayBeLost says of a damaged drive that the others can be read without it, if they can.
func mayBeLost(err error) error {
	damage, ok := errors.AsType[*bundle.DamageError](err)
	if !ok || damage.Dir == "" {
		return err
	}
	list, _, _ := bundle.List(damage.Dir, "") // what cannot be read is not said to be a drive
	for _, f := range list {
		if isDir(f.Dir, damage.Dir) && f.Drive < f.Of {
			return &damagedDriveError{err, bundle.DriveLabel{Bundle: f.Bundle, Number: f.Drive, Of: f.Of}}
		}
	}
	return err
}

// writeWithout writes the list of what was left out for want of drives, if that was found out: into file, or, if that is
// empty, below the state directory. An empty list replaces an older one in file.
func writeWithout(file, id string, lost *gaps.List) (string, error) {
	if lost == nil || file == "" && len(lost.Images) == 0 {
		return "", nil
	}
	if file == "" {
		state, err := xdg("XDG_STATE_HOME", ".local/state")
		if err == nil {
			err = os.MkdirAll(state, 0o700)
		}
		if err != nil {
			return "", usage(fmt.Errorf("write the gap list: %w", err), "name a file for it: --gaps FILE")
		}
		file = filepath.Join(state, "gaps-"+id+".json")
	}
	body, err := lost.Marshal(id)
	if err == nil {
		err = durable.Write(file, body)
	}
	if err != nil {
		return "", fmt.Errorf("write the gap list: %w", err)
	}
	return file, nil
}

// gapCount counts the images of gaps, and those of which only signatures are missing.
type gapCount struct{ images, unsigned int }

func countGaps(list []oci.Gap) (n gapCount) {
	for _, g := range list {
		if gaps.AllAttached(g) {
			n.unsigned++
		} else {
			n.images++
		}
	}
	return n
}

func (n gapCount) String() string {
	images, unsigned := text.Count(n.images, "image", "images"), "signatures of "+text.Count(n.unsigned, "image", "images")
	switch {
	case n.unsigned == 0:
		return images
	case n.images == 0:
		return unsigned
	}
	return images + " and the " + unsigned
}

// plannedGapsError says that a plan lacks some images.
type plannedGapsError struct{ count gapCount }

func (e *plannedGapsError) Error() string {
	return fmt.Sprintf("the plan lacks %s: not available, listed above", e.count)
}

// checkGapsFile finds out before the first byte whether the list can be written.
func checkGapsFile(file string) error {
	if file == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(file))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(file))
	}
	if err != nil {
		return usage(fmt.Errorf("--gaps: %w", err), "name a file in a directory that exists")
	}
	durable.Sweep(filepath.Dir(file), durable.Temp)
	return nil
}
