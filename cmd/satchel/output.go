package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/oci/text"
)

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "output `FORMAT`: table, json or yaml")
}

func checkOutput(output string) error {
	switch output {
	case "table", "json", "yaml":
		return nil
	}
	return usage(fmt.Errorf("unknown output format %q", output), "use -o table, json or yaml")
}

// printReport writes v in the chosen format; table writes it for people.
func printReport(w io.Writer, output string, v any, table func(io.Writer) error) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	var b []byte
	var err error
	switch output {
	case "table":
		return table(w)
	case "json":
		b, err = plainJSON(v)
	case "yaml":
		if b, err = yaml.Marshal(v); err != nil || bytes.ContainsFunc(b, isHidden) {
			b, err = plainJSON(v) // which is YAML too, and can say such characters
		}
	}
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// plainJSON is JSON without characters that a terminal obeys or does not show.
func plainJSON(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return append(text.JSON(b), '\n'), err
}

// escaping escapes them in lines of JSON.
type escaping struct{ w io.Writer }

func (e escaping) Write(line []byte) (int, error) {
	_, err := e.w.Write(text.JSON(line))
	return len(line), err
}

// isHidden knows characters that a terminal obeys, or does not show.
func isHidden(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// printer writes until a write fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
