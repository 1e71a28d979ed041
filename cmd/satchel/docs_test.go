package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandTree is the program's commands, those of cobra included.
func commandTree() *cobra.Command {
	root := newRoot(&app{stdout: io.Discard, stderr: io.Discard})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// flagsOf gives a command's own flags, long ones and short ones, without the common ones.
func flagsOf(cmd *cobra.Command) []string {
	var list []string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		list = append(list, name)
	})
	slices.Sort(list)
	return list
}

func page(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// codes gives what is between backquotes.
func codes(s string) (list []string) {
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(s, -1) {
		list = append(list, m[1])
	}
	return list
}

// TestCommandsAreDocumented: docs/commands.md has every command and every flag of each, and no
// others.
func TestCommandsAreDocumented(t *testing.T) {
	t.Parallel()
	text := page(t, "docs/commands.md")
	_, rest, ok := strings.Cut(text, "\n## All flags\n")
	if !ok {
		t.Fatal("docs/commands.md has no section of all flags")
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	has := map[string][]string{}
	for line := range strings.Lines(rest) {
		cells := strings.SplitN(line, " | ", 2)
		if !strings.HasPrefix(line, "| `") || len(cells) < 2 {
			continue
		}
		for _, command := range codes(cells[0]) {
			has[command] = append(has[command], codes(cells[1])...)
		}
	}
	for _, cmd := range documented(commandTree()) {
		name := strings.TrimPrefix(cmd.CommandPath(), "satchel ")
		if !strings.Contains(text, "`satchel "+name) {
			t.Errorf("docs/commands.md does not have satchel %s", name)
		}
		want, got := flagsOf(cmd), has[name]
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("docs/commands.md, all flags: %s has\n%q, and not\n%q", name, want, got)
		}
		delete(has, name)
	}
	if len(has) > 0 {
		t.Errorf("docs/commands.md has flags of what is no command: %q", slices.Collect(maps.Keys(has)))
	}
}

// documented are the commands that do something, those of completion under one name.
func documented(root *cobra.Command) (list []*cobra.Command) {
	for _, cmd := range root.Commands() {
		if len(cmd.Commands()) == 0 || cmd.Name() == "completion" {
			list = append(list, cmd)
			continue
		}
		list = append(list, cmd.Commands()...)
	}
	return list
}

// otherFlags belong to other programs, or are named because satchel does not have them.
var otherFlags = []string{"--from-file", "--patch-file", "--type", "--since", "--all", "--preserve-digests", "--delete-untagged", "--creds", "--src-creds", "--add-port", "--password-stdin"}

var (
	shown  = regexp.MustCompile(`(?:^|[^\w./-])(?:satchel|\.\./satchel) ((?:[^|&;#)(\n]|\\\n)+)`)
	option = regexp.MustCompile(`(?:^|[\s(` + "`" + `])(--[a-z][a-z-]+)`)
)

// TestDocumentedCommandsExist: each command line of a document names a command that there is,
// and flags that it has.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	root := commandTree()
	every := map[string]bool{}
	for _, cmd := range append(documented(root), root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { every["--"+f.Name] = true })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { every["--"+f.Name] = true })
	}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, doc := range append(docs, "../../README.md") {
		name, text := filepath.Base(doc), page(t, strings.TrimPrefix(doc, "../../"))
		for _, m := range option.FindAllStringSubmatch(text, -1) {
			if !every[m[1]] && m[1] != "--help" && m[1] != "--version" && !slices.Contains(otherFlags, m[1]) {
				t.Errorf("%s: no command has %s", name, m[1])
			}
		}
		for _, line := range append(codes(text), fenced(text)...) {
			for _, m := range shown.FindAllStringSubmatch(line, -1) {
				lines++
				if err := lookUp(root, m[1]); err != nil {
					t.Errorf("%s: satchel %s: %v", name, m[1], err)
				}
			}
		}
	}
	if lines < 80 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// fenced gives the command lines of a page's blocks, each with what is continued.
func fenced(text string) (list []string) {
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
			if line = strings.TrimPrefix(line, "$ "); regexp.MustCompile(`^(?:[A-Z_]+=\S+ )?satchel [a-z-]`).MatchString(line) {
				list = append(list, line)
			}
		}
	}
	return list
}

// lookUp looks a command line up: the command, and its flags.
func lookUp(root *cobra.Command, line string) error {
	line = regexp.MustCompile(`"[^"]*"|'[^']*'`).ReplaceAllString(line, "QUOTED")
	words := strings.Fields(line)
	at := slices.IndexFunc(words, func(w string) bool {
		return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == w })
	})
	if at < 0 {
		if first := words[0]; first == "COMMAND" || strings.HasPrefix(first, "-") {
			return nil
		}
		return fmt.Errorf("there is no such command")
	}
	cmd, _, err := root.Find(words[at : at+1])
	if err == nil && len(cmd.Commands()) > 0 && len(words) > at+1 {
		cmd, _, err = root.Find(words[at : at+2])
	}
	if err != nil {
		return err
	}
	for _, w := range words {
		name, long := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(strings.Trim(name, "[]"), "=")
		switch {
		case long && name != "help" && cmd.Flags().Lookup(name) == nil && root.PersistentFlags().Lookup(name) == nil:
			return fmt.Errorf("it has no flag --%s", name)
		case !long && len(w) == 2 && w[0] == '-' && w[1] != '-' && cmd.Flags().ShorthandLookup(w[1:]) == nil && root.PersistentFlags().ShorthandLookup(w[1:]) == nil:
			return fmt.Errorf("it has no flag %s", w)
		}
	}
	return nil
}

// TestExitCodesAreDocumented: docs/exit-codes.md and the program's help have the same codes.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	numbers := func(re, text string) (list []string) {
		for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(text, -1) {
			list = append(list, m[1])
		}
		return list
	}
	var want []string
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitGaps, exitDamaged, exitKey, exitDrive, exitRegistry, exitInterrupted} {
		want = append(want, fmt.Sprint(code))
	}
	if got := numbers(`(?m)^\| (\d+) \| `, page(t, "docs/exit-codes.md")); !slices.Equal(got, want) {
		t.Errorf("docs/exit-codes.md has %q, the program %q", got, want)
	}
	if got := numbers(`(?m)^  (\d+) `, exitHelp); !slices.Equal(got, want) {
		t.Errorf("satchel --help has %q, the program %q", got, want)
	}
}
