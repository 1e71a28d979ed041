package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/siteconfig"
	"github.com/satchel-airgap/satchel/oci/text"
)

// namesValue is a flag of names, with commas between them or given again.
type namesValue struct{ list *[]string }

func (v *namesValue) String() string {
	if v.list == nil {
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (v *namesValue) Set(s string) error {
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return errors.New("it is empty")
		}
		*v.list = append(*v.list, name)
	}
	return nil
}

func (v *namesValue) Type() string { return "FLAG" }

func newConfig(a *app) *cobra.Command {
	var output string
	var wide bool
	cmd := &cobra.Command{
		Use:   "config [COMMAND]",
		Short: "Show the site's configuration, and where each value is from",
		Long: `config shows what the files of the site's configuration set, and where each value is
from: $XDG_CONFIG_HOME/satchel/config.yaml (default ~/.config/satchel/config.yaml), or
the file that $SATCHEL_CONFIG names, then /etc/satchel/config.yaml. The first that sets
a flag counts; what is typed counts before both.

With COMMAND, it shows every flag of that command with the value that it has when it
is not typed. Values that no command could take are an error, exit status 2.`,
		Example: "  satchel config\n  satchel config verify",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runConfig(cmd, strings.Join(args, " "), output, wide)
		},
	}
	addOutput(cmd, &output)
	addWide(cmd.Flags(), &wide)
	return cmd
}

// siteReport is what config prints.
type siteReport struct {
	Files  []siteSource `json:"files"`
	Values []siteValue  `json:"values"`
}

type siteSource struct {
	File string `json:"file"`
	Read bool   `json:"read"`
}

// siteValue is one flag of a command or, without one, an entry of a file.
type siteValue struct {
	Section    string   `json:"section"`
	Flag       string   `json:"flag"`
	Values     []string `json:"values"`
	File       string   `json:"file,omitempty"` // none: it is what satchel has anyway
	Line       int      `json:"line,omitempty"`
	ReplacedBy string   `json:"replacedBy,omitempty"` // FILE:LINE of the entry that counts before it
	Replaces   []string `json:"replaces,omitempty"`   // FILE:LINE of those that it counts before
}

func (a *app) runConfig(cmd *cobra.Command, command, output string, wide bool) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	root := newRoot(&app{stdout: io.Discard, stderr: io.Discard, etc: a.etc})
	site, err := a.readSite(root)
	if err != nil {
		return err
	}
	rep, err := a.siteReport(root, site)
	if err != nil {
		return err
	}
	found := command == ""
	for _, c := range configurable(root) {
		if commandName(c) == command {
			found, rep.Values = true, valuesOf(c, site)
		}
	}
	if !found {
		return unknownCommand(cmd.Root(), []string{command})
	}
	return printReport(a.stdout, output, rep, func(w io.Writer) error {
		return printSite(w, a.view(wide), rep)
	})
}

// siteReport lists all entries, after each command has been tried with them.
func (a *app) siteReport(root *cobra.Command, site siteconfig.Site) (*siteReport, error) {
	rep := &siteReport{Values: []siteValue{}}
	files, err := a.siteFiles()
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if file != "" {
			rep.Files = append(rep.Files, siteSource{file, onDisk(file)})
		}
	}
	wrong := map[string]error{}
	for _, c := range configurable(root) {
		if err := (&app{stdout: io.Discard, stderr: io.Discard, etc: a.etc}).take(c, site); err != nil {
			wrong[err.Error()] = err
		}
	}
	for _, said := range text.Sorted(slices.Collect(maps.Keys(wrong))) {
		err = errors.Join(err, wrong[said])
	}
	for i, e := range site.Entries {
		v := siteValue{Section: e.Section, Flag: e.Flag, Values: valuesShown(e), File: e.File, Line: e.Line}
		for _, o := range site.Entries[:i] {
			if o.Flag == e.Flag && (o.Section == e.Section || o.Section == siteconfig.Defaults && o.File != e.File && !siteApart(e.Section, e.Flag)) {
				v.ReplacedBy = placeOf(o)
			}
		}
		rep.Values = append(rep.Values, v)
	}
	return rep, err
}

func placeOf(e siteconfig.Entry) string { return fmt.Sprintf("%s:%d", e.File, e.Line) }

func valuesShown(e siteconfig.Entry) []string {
	if len(e.Values) == 0 {
		return []string{}
	}
	return e.Values
}

// valuesOf gives every flag of a command with what it is when nobody types it.
func valuesOf(cmd *cobra.Command, site siteconfig.Site) []siteValue {
	list := []siteValue{}
	for _, f := range everyFlag(cmd) {
		if f.Name == "help" || f.Name == noDefault {
			continue
		}
		v := siteValue{Section: commandName(cmd), Flag: f.Name, Values: []string{}}
		if d := f.DefValue; d != "" && d != "[]" {
			v.Values = []string{d}
		}
		for i, e := range site.Lookup(commandName(cmd), f.Name, siteApart(commandName(cmd), f.Name)) {
			if i > 0 {
				v.Replaces = append(v.Replaces, placeOf(e))
				continue
			}
			v.File, v.Line = e.File, e.Line
			if len(e.Values) > 0 {
				v.Values = e.Values
			}
		}
		list = append(list, v)
	}
	return list
}

// printSite prints a report for people.
func printSite(w io.Writer, v view, rep *siteReport) error {
	p := printer{w: w}
	for _, f := range rep.Files {
		state := "not there"
		if f.Read {
			state = "read"
		}
		p.printf("%s: %s\n", text.Printable(f.File), state)
	}
	if p.err != nil || len(rep.Values) == 0 {
		return p.err
	}
	p.printf("\n")
	rows := [][]string{{"SECTION", "FLAG", "VALUE", "FROM"}}
	for _, e := range rep.Values {
		from := "satchel"
		if e.File != "" {
			from = fmt.Sprintf("%s:%d", e.File, e.Line)
		}
		if e.ReplacedBy != "" {
			from += ", replaced by " + e.ReplacedBy
		}
		if len(e.Replaces) > 0 {
			from += ", replaces " + strings.Join(e.Replaces, ", ")
		}
		value := strings.Join(e.Values, ", ")
		if value == "" {
			value = "-"
		}
		if e.File != "" && len(e.Values) == 0 {
			value = "[] (takes it back)"
		}
		rows = append(rows, []string{e.Section, e.Flag, text.Printable(value), text.Printable(from)})
	}
	return errors.Join(p.err, v.table(w, "", rows))
}
