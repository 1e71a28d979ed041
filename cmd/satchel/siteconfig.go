package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/siteconfig"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	siteFile     = "/etc/satchel/config.yaml"
	siteVariable = "SATCHEL_CONFIG"
	noDefault    = "no-default"
	allFlags     = "all"
	fromSite     = "satchel-site" // annotation of a flag that a file has set: the place
)

// siteFiles are the files of the site's configuration; the first that sets a flag counts.
func (a *app) siteFiles() ([]string, error) {
	if named := os.Getenv(siteVariable); named != "" {
		if _, err := os.Stat(named); err != nil {
			return nil, usage(fmt.Errorf("$%s: %w", siteVariable, err), "name a file, or unset the variable")
		}
		return []string{named, a.etc}, nil
	}
	dir, err := xdg("XDG_CONFIG_HOME", ".config")
	if err != nil {
		me, uerr := user.Current() // a service may run without $HOME
		if uerr != nil || me.HomeDir == "" {
			//lint:ignore nilerr a user without a home has no file there
			return []string{a.etc}, nil
		}
		dir = filepath.Join(me.HomeDir, ".config", "satchel")
	}
	return []string{filepath.Join(dir, "config.yaml"), a.etc}, nil
}

// readSite reads the site's configuration.
func (a *app) readSite(root *cobra.Command) (site siteconfig.Site, err error) {
	files, err := a.siteFiles()
	if err != nil {
		return site, err
	}
	known := siteKnown(root)
	for _, file := range files {
		if file == "" {
			continue
		}
		entries, err := siteconfig.Read(file, known)
		if err != nil {
			return site, err
		}
		site.Entries = append(site.Entries, entries...)
	}
	return site, nil
}

// commandName is how a configuration names a command.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// configurable lists the commands that take values from a configuration.
func configurable(cmd *cobra.Command) (list []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		switch {
		case sub.Name() == "help" || sub.Name() == "completion":
		case sub.HasSubCommands():
			list = append(list, configurable(sub)...)
		default:
			list = append(list, sub)
		}
	}
	return list
}

// siteKnown is what a configuration may say.
func siteKnown(root *cobra.Command) siteconfig.Known {
	known := siteconfig.Known{}
	for _, cmd := range configurable(root) {
		flags := map[string]siteconfig.Flag{}
		for _, f := range everyFlag(cmd) {
			what, _ := pflag.UnquoteUsage(f)
			_, list := f.Value.(pflag.SliceValue)
			if _, pairs := f.Value.(chartValues); pairs {
				list = true
			}
			flags[f.Name] = siteconfig.Flag{
				List: list, Bool: f.Value.Type() == "bool", Path: isPath(what), Pair: strings.Contains(what, "="),
				Refused: siteRefuses(f.Name, commandName(cmd)), Apart: siteApart(commandName(cmd), f.Name),
			}
		}
		known[commandName(cmd)] = flags
	}
	return known
}

// everyFlag is a command's flags, its own and those of all commands.
func everyFlag(cmd *cobra.Command) (list []*pflag.Flag) {
	seen := map[string]bool{}
	add := func(f *pflag.Flag) {
		if !seen[f.Name] {
			seen[f.Name] = true
			list = append(list, f)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return list
}

// isPath reports whether what a flag takes, as its help calls it, is the name of a file or directory.
func isPath(what string) bool {
	return slices.ContainsFunc(regexp.MustCompile(`[|=]`).Split(what, -1), func(word string) bool {
		return slices.Contains([]string{"FILE", "DIR", "OUTDIR", "PATH", "RECEIPT", "NEW"}, word)
	})
}

// siteRefuses says why a flag cannot be set in a file, "" if it can.
func siteRefuses(flag, command string) string {
	switch flag {
	case "passphrase-file", "new-passphrase-file", "password-file":
		return "it reads a secret"
	case "yes":
		return "it agrees to what was not shown yet"
	case "restart":
		return "it gives up what earlier runs have done"
	case "help", "version", noDefault:
		return "it is a question of one moment"
	case "expect", "bundle", "begin-again", "only", "lost", "list", "gaps", "statement", "pin", "file", "forget-site", "end-intent", "adopt", "from-source":
		return "it is about one bundle or one run"
	}
	if strings.HasPrefix(flag, "allow-") {
		return "what is not safe is allowed each time anew"
	}
	if command == "pull-secret" && slices.Contains([]string{"add", "add-missing", "remove", "restore", "host", "covers", "output"}, flag) {
		return "it is about one pull secret"
	}
	return ""
}

// siteApart reports whether a flag of a command means something else than the flag of that
// name elsewhere: then only the command's own section sets it.
func siteApart(command, flag string) bool {
	switch flag {
	case "trust", "signatures", "revoked": // sign: the bundle has fewer signatures than it is to have; the others: it is for receipts
		return slices.Contains([]string{"sign", "pack", "plan", "confirm"}, command)
	case "to":
		return command == "repair"
	case "catalog":
		return command == "available operators"
	case "since":
		return command == "diff"
	case "cluster-version":
		return command == "prune"
	case "output-dir":
		return command == "receipt"
	case "from-pods":
		return command == "check"
	}
	return false
}

// siteYields lists the configured flags that a typed one stands in for, besides that of its name.
func siteYields(flag string) []string {
	switch flag {
	case "drive-size":
		return []string{"media"}
	case "media":
		return []string{"drive-size"}
	case "recipient", "recipients-file", "new-passphrase", "new-passphrase-file":
		return []string{"recipient", "recipients-file"}
	case "node-authfile":
		return []string{"push-credential-on-nodes"}
	case "push-credential-on-nodes":
		return []string{"node-authfile"}
	case "since":
		return []string{"to"} // of diff
	}
	return nil
}

// siteNeeds names the flag without which another one of a command says nothing, "" for none.
func siteNeeds(command, flag string) string {
	switch {
	case command == "pack" && (flag == "max-nested-paths" || flag == "layout"):
		return "to"
	case (command == "pack" || command == "plan") && slices.Contains([]string{"sites", "trust", "signatures", "revoked"}, flag):
		return "since"
	case command == "verify" && flag == "sign-key":
		return "statement"
	case command == "copy" && flag == "max-file-size":
		return "link"
	case command == "unpack" && slices.Contains([]string{"pull-secret", "present-registry-ca", "present-image-config", "present-rules", "present-catalog-sources", "mirror-api", "mirror-source-policy", "from-cluster", "cluster-version", "catalog-name", "node-authfile", "push-credential-on-nodes", "pull-from", "pin-images"}, flag):
		return "output-dir"
	}
	return ""
}

// withSite has a command take what is configured before it looks at anything that was typed.
func (a *app) withSite(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := a.configure(cmd, args); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(cmd, args)
	}
}

// configure sets the flags that nobody typed to what the site has configured.
func (a *app) configure(cmd *cobra.Command, args []string) error {
	site, err := a.readSite(cmd.Root())
	if err != nil {
		return err
	}
	without, err := a.notTaken(cmd)
	if err != nil {
		return err
	}
	return a.set(cmd, a.holding(cmd, args, site, without))
}

// take sets what a site has configured for a command that is not run.
func (a *app) take(cmd *cobra.Command, site siteconfig.Site) error {
	held := map[string]siteconfig.Entry{}
	for _, f := range everyFlag(cmd) {
		if list := site.Lookup(commandName(cmd), f.Name, siteApart(commandName(cmd), f.Name)); len(list) > 0 {
			held[f.Name] = list[0]
		}
	}
	return a.set(cmd, held)
}

// set sets flags to what entries say, and notes the places.
func (a *app) set(cmd *cobra.Command, held map[string]siteconfig.Entry) error {
	for _, f := range everyFlag(cmd) {
		e, ok := held[f.Name]
		if !ok {
			continue
		}
		for _, value := range e.Values {
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				if short := errors.Unwrap(err); short != nil {
					err = short
				}
				return e.Fault(err)
			}
		}
		if err := cmd.Flags().SetAnnotation(f.Name, fromSite, []string{fmt.Sprintf("%s, line %d", text.Printable(e.File), e.Line), e.Section}); err != nil {
			return err
		}
		a.fromSite = append(a.fromSite, f)
	}
	return nil
}

// notTaken lists the flags that --no-default names.
func (a *app) notTaken(cmd *cobra.Command) (map[string]bool, error) {
	list := map[string]bool{}
	for _, name := range a.noDefaults {
		if name == allFlags {
			for _, f := range everyFlag(cmd) {
				list[f.Name] = true
			}
			continue
		}
		if name = strings.TrimLeft(name, "-"); cmd.Flags().Lookup(name) == nil {
			return nil, usage(fmt.Errorf("--%s %q: satchel %s has no such flag", noDefault, name, commandName(cmd)), "name a flag that satchel config "+commandName(cmd)+" lists, or all")
		}
		if list[name] = true; name == "trust" {
			list["signatures"], list["revoked"] = true, true // they are about those whom trust names
		}
	}
	return list, nil
}

// holding gives the entries that set flags of a command, by their flags.
func (a *app) holding(cmd *cobra.Command, args []string, site siteconfig.Site, without map[string]bool) map[string]siteconfig.Entry {
	held, stands := map[string]siteconfig.Entry{}, map[string]bool{}
	command, flags := commandName(cmd), everyFlag(cmd)
	for _, f := range flags {
		if !f.Changed {
			continue
		}
		for _, name := range siteYields(f.Name) {
			stands[name] = true
		}
		for _, o := range flags {
			stands[o.Name] = stands[o.Name] || sameValue(f, o)
		}
	}
	if command == "diff" && len(args) > 1 {
		stands["to"] = true
	}
	for _, f := range flags {
		list := site.Lookup(command, f.Name, siteApart(command, f.Name))
		switch {
		case len(list) == 0 || f.Changed || stands[f.Name]:
		case without[f.Name]:
			a.info("--%s: not taken: --%s of %s, line %d", noDefault, f.Name, text.Printable(list[0].File), list[0].Line)
		case len(list[0].Values) > 0:
			held[f.Name] = list[0]
		case len(list) > 1 && len(list[1].Values) > 0:
			a.warn("--%s of %s, line %d, does not hold: %s, line %d, takes it back", f.Name, text.Printable(list[1].File), list[1].Line, text.Printable(list[0].File), list[0].Line)
		}
	}
	dropIdle(cmd, held, site)
	return held
}

// dropIdle drops entries that say nothing, and of two names of one flag the one that counts less.
func dropIdle(cmd *cobra.Command, held map[string]siteconfig.Entry, site siteconfig.Site) {
	rank := func(name string) int {
		return slices.IndexFunc(site.Entries, func(e siteconfig.Entry) bool { return e.File == held[name].File })
	}
	for _, f := range everyFlag(cmd) {
		if _, ok := held[f.Name]; !ok {
			continue
		}
		if need := siteNeeds(commandName(cmd), f.Name); need != "" && !cmd.Flags().Changed(need) && held[need].Flag == "" {
			delete(held, f.Name)
			continue
		}
		for _, o := range everyFlag(cmd) {
			if _, both := held[o.Name]; both && o != f && sameValue(f, o) && (rank(o.Name) < rank(f.Name) || rank(o.Name) == rank(f.Name) && len(o.Name) > len(f.Name)) {
				delete(held, f.Name)
			}
		}
	}
}

// sameValue reports whether two flags are names of one.
func sameValue(a, b *pflag.Flag) bool {
	va, vb := reflect.ValueOf(a.Value), reflect.ValueOf(b.Value)
	return a != b && va.Kind() == reflect.Pointer && vb.Kind() == reflect.Pointer && va.Type() == vb.Type() && va.Pointer() == vb.Pointer() && va.Type().Elem().Size() > 0
}

// typed reports whether a flag was given on the command line.
func typed(f *pflag.Flag) bool { return f != nil && f.Changed && f.Annotations[fromSite] == nil }

// explain is what an error says, and what to do, with the places of configured flags.
func (a *app) explain(err error) (lines, hints []string) {
	lines, hints = explain(err)
	return lines, append(hints, a.siteHints(lines, hints)...)
}

// siteHints say which flags that an error is about are from the site's configuration.
func (a *app) siteHints(lines, hints []string) (list []string) {
	all := strings.Join(append(slices.Clone(lines), hints...), "\n")
	for _, f := range a.fromSite {
		value := strings.Trim(f.Value.String(), "[]")
		if f.Value.Type() == "bool" || len(value) < 4 {
			value = ""
		}
		named := regexp.MustCompile(`--` + regexp.QuoteMeta(f.Name) + `($|[^a-z-])`).MatchString(all)
		if named || value != "" && strings.Contains(all, value) {
			list = append(list, fmt.Sprintf("--%s is from %s", f.Name, f.Annotations[fromSite][0]))
		}
	}
	return list
}
