package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/oci/text"
)

// unknownCommand refuses what is not the name of a command.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		least := text.Distance(args[0], slices.MinFunc(similar, func(a, b string) int { return text.Distance(args[0], a) - text.Distance(args[0], b) }))
		similar = slices.DeleteFunc(similar, func(name string) bool { return text.Distance(args[0], name) > least })
		for i, name := range similar {
			similar[i] = strconv.Quote(name)
		}
		hint = "did you mean " + text.Or(similar) + "?"
	}
	return &usageError{fmt.Errorf("unknown command %q", args[0]), hint}
}

// wrongFlag is for a flag that cannot be read: of one that is not there, the hint names
// the commands that have it, else flags that are similar.
func wrongFlag(cmd *cobra.Command, err error) error {
	hint := "see " + cmd.CommandPath() + " --help"
	absent, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || absent.GetSpecifiedShortnames() != "" {
		return &usageError{err, hint}
	}
	name := absent.GetSpecifiedName()
	var have []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			have = append(have, f.Name)
		}
	})
	if others := havingFlag(cmd.Root(), name); len(others) > 0 {
		hint = fmt.Sprintf("--%s is a flag of %s; %s", name, text.And(others), hint)
	} else if near := text.Nearest(name, have); len(near) > 0 {
		for i, n := range near {
			near[i] = "--" + n
		}
		hint = "did you mean " + text.Or(near) + "? (" + hint + ")"
	}
	return &usageError{err, hint}
}

// havingFlag lists the commands that have a flag.
func havingFlag(root *cobra.Command, name string) (list []string) {
	for _, cmd := range root.Commands() {
		if cmd.Flags().Lookup(name) != nil {
			list = append(list, cmd.Name())
		}
	}
	return slices.Sorted(slices.Values(list))
}
