package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/siteconfig"
)

// endLine is the command that ends what a killed unpack left open of a bundle, for the mirror that
// was typed, and with what was typed to reach it.
func (a *app) endLine(cmd *cobra.Command, id string) string {
	reach := []string{
		"to", "max-nested-paths", "layout", "trust", "revoked", "sign-key", "authfile", "dest-authfile", "tls-verify", "dest-tls-verify",
		"cert-dir", "dest-cert-dir", "ca-file", "registries-conf", "retry-times", "retry-delay", noDefault,
	}
	words := typedFlags(cmd.Flags(), a.args, func(name string) bool { return slices.Contains(reach, name) })
	for _, f := range a.fromSite { // the site has set it for this command alone
		if section := f.Annotations[fromSite][1]; section != siteconfig.Defaults && slices.Contains(reach, f.Name) {
			words = append(words, setFlag(f)...)
		}
	}
	return shellWords(slices.Concat([]string{"satchel", "receipt"}, words, []string{"--end-intent", id}))
}

// setFlag writes what a flag is set to as it is typed.
func setFlag(f *pflag.Flag) (words []string) {
	values := []string{f.Value.String()}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		values = list.GetSlice()
	}
	for _, v := range values {
		words = append(words, "--"+f.Name+"="+v)
	}
	return words
}

// openError is a prune's that waits for an unpack to end, with the commands that end it.
type openError struct {
	*prune.OpenError
	lines []string
}

// Hint says what to do now.
func (e *openError) Hint() string { return e.OpenError.Hint() + ": " + strings.Join(e.lines, "; ") }

// withLines adds to an error the commands that end what is open.
func (a *app) withLines(cmd *cobra.Command, err error) error {
	open, ok := errors.AsType[*prune.OpenError](err)
	if !ok {
		return err
	}
	e := &openError{OpenError: open}
	for _, id := range open.Bundles {
		e.lines = append(e.lines, a.endLine(cmd, id))
	}
	return e
}
