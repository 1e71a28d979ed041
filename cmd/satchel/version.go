package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// release is set by the linker in a release build.
var release string

// version is the release, or what the build knows of its source.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

func newVersion(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{version(), 1, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return printAs(a.stdout, output, v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "satchel %s (bundle format %d, %s, %s)\n", v.Version, v.Format, v.Go, v.Platform)
				return err
			})
		},
	}
	addOutput(cmd, &output)
	return cmd
}

type versionInfo struct {
	Version  string `json:"version"`
	Format   int    `json:"bundleFormat"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

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

// printAs writes v in the chosen format; table writes it for people.
func printAs(w io.Writer, output string, v any, table func(io.Writer) error) error {
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
