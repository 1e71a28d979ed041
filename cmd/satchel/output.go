package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
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
		b, err = json.MarshalIndent(v, "", "  ")
		b = append(b, '\n')
	case "yaml":
		b, err = yaml.Marshal(v)
	}
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

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
