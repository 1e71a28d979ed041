package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
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
			return printReport(a.stdout, output, v, func(w io.Writer) error {
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
