package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
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
// the one that was typed, but for those that are about that run alone.
func laterWords(flags *pflag.FlagSet, typed []string, list string) []string {
	words := append([]string{"satchel", "pack"}, typedFlags(flags, typed, func(name string) bool {
		return !slices.Contains([]string{"only", "gaps", "keep-going", "restart"}, name)
	})...)
	return append(words, "--only", list)
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
