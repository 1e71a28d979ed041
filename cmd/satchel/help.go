package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// widestHelp is how many columns help takes at most.
const widestHelp = 120

// boolSuffix is what pflag writes behind a flag that needs no value. That it can have one
// stands in the texts of the few where it matters.
const boolSuffix = "[=true|false]"

// addHelp defines how help is written, and refuses what it does not know, with the names
// that are similar.
func addHelp(root *cobra.Command, stdout io.Writer) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStdout(), usageText(cmd, columnsOf(stdout)))
		return err
	})
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 && cmd.HasSubCommands() {
				return unknownCommand(cmd, args[len(args)-max(len(rest), 1):])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	})
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil || completion == root {
		return
	}
	completion.SuggestionsMinimumDistance = root.SuggestionsMinimumDistance
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args)
		}
		return cmd.Help()
	}
	for _, shell := range completion.Commands() {
		shell.Args = exactly(0, "")
	}
}

// usageText is how a command is called, for a terminal of some columns; 0 breaks no line.
func usageText(cmd *cobra.Command, columns int) string {
	var b strings.Builder
	fmt.Fprintln(&b, "Usage:")
	if cmd.Runnable() {
		fmt.Fprintln(&b, "  "+cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintln(&b, "  "+cmd.CommandPath()+" [command]")
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintln(&b, "\nCommands:")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	for _, part := range []struct {
		name  string
		flags *pflag.FlagSet
	}{{"Flags", cmd.LocalFlags()}, {"Global flags", cmd.InheritedFlags()}} {
		if part.flags.HasAvailableFlags() {
			lines := strings.ReplaceAll(part.flags.FlagUsagesWrapped(columns), boolSuffix, strings.Repeat(" ", len(boolSuffix)))
			fmt.Fprintf(&b, "\n%s:\n%s\n", part.name, strings.TrimRight(lines, " \n"))
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help says more of each.\n", cmd.CommandPath())
	}
	return b.String()
}

// columnsOf is the width of the terminal that is written to, 0 if it is none.
func columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = usualColumn
	}
	return min(columns, widestHelp)
}
