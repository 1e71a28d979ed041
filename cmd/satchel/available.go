package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/available"
	"github.com/satchel-airgap/satchel/manifests"
)

func newAvailable(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "available",
		Short: "List what a configuration can name",
		Long: `available lists the releases and the operators that an ImageSetConfiguration can
name, so that nobody has to guess. It reads the update graph, and catalog images.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAvailableReleases(a), newAvailableOperators(a))
	return cmd
}

// listFlags are those of each list.
type listFlags struct {
	output   string
	wide     bool
	registry registryFlags
}

func addListFlags(cmd *cobra.Command, f *listFlags) {
	addRegistryFlags(cmd.Flags(), &f.registry, "src")
	addOutput(cmd, &f.output)
	addWide(cmd.Flags(), &f.wide)
}

func (f listFlags) host(a *app) available.Host {
	return available.Host{To: a.notices(), Client: f.registry.client(a), Cache: a.openCache()}
}

func newAvailableReleases(a *app) *cobra.Command {
	var q manifests.ReleaseQuery
	var f listFlags
	cmd := &cobra.Command{
		Use:   "releases",
		Short: "List update channels, or the releases of one",
		Long: `releases lists the update channels of OpenShift or OKD; with --version the channels
of a minor version (4.18), or those that have a release (4.18.3); with --channel the
releases of that channel. It asks the published update graph, or that of
` + manifests.EnvUpdateURL + `.`,
		Example: "  satchel available releases --channel stable-4.18",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAvailableReleases(cmd.Context(), a, q, f)
		},
	}
	cmd.Flags().StringVar(&q.Channel, "channel", "", "list the releases of the channel `NAME`, such as stable-4.18")
	cmd.Flags().StringVar(&q.Version, "version", "", "list the channels of this `VERSION`, such as 4.18 or 4.18.3")
	cmd.Flags().StringVar(&q.Arch, "arch", "", "`ARCHITECTURE` of the releases: amd64, arm64, ppc64le, s390x or multi (default: amd64)")
	cmd.Flags().StringVar(&q.Type, "type", "", "`TYPE` of the releases: ocp or okd (default: ocp)")
	addListFlags(cmd, &f)
	return cmd
}

func runAvailableReleases(ctx context.Context, a *app, q manifests.ReleaseQuery, f listFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if q.Channel != "" && q.Version != "" {
		return usage(errors.New("--channel and --version are two questions"), "leave one of the two out")
	}
	q.UpdateURL = os.Getenv(manifests.EnvUpdateURL)
	got, err := available.Releases(ctx, f.host(a), q)
	if err != nil {
		return err
	}
	v := a.view(f.wide)
	return printReport(a.stdout, f.output, got, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printAvailableReleases(w, got, v) })
	})
}

func newAvailableOperators(a *app) *cobra.Command {
	var q operatorQuery
	var f listFlags
	cmd := &cobra.Command{
		Use:   "operators",
		Short: "List the packages of an operator catalog, or the versions of one",
		Long: `operators lists the packages of a catalog; with --package the channels of that
package and their versions; with --channel only that channel. With --version alone it lists the
catalogs that clusters of this version of OpenShift have by default.`,
		Example: `  satchel available operators --version 4.18
  satchel available operators --catalog registry.redhat.io/redhat/redhat-operator-index:v4.18 --package cluster-logging`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAvailableOperators(cmd.Context(), a, q, f)
		},
	}
	cmd.Flags().StringVar(&q.catalog, "catalog", "", "list what the catalog `IMAGE` has, as a configuration names it: an image, or oci://PATH")
	cmd.Flags().StringVar(&q.pkg, "package", "", "list the channels and versions of the package `NAME`")
	cmd.Flags().StringVar(&q.channel, "channel", "", "with --package: list the channel `NAME` alone")
	cmd.Flags().StringVar(&q.version, "version", "", "list the default catalogs of this `VERSION` of OpenShift, such as 4.18")
	addListFlags(cmd, &f)
	return cmd
}

// operatorQuery says what of operators is listed.
type operatorQuery struct{ catalog, pkg, channel, version string }

func (q operatorQuery) check() error {
	switch {
	case q.catalog == "" && q.version == "":
		return usage(errors.New("operators needs --catalog IMAGE"), "or list the default catalogs of a version (--version 4.18)")
	case q.catalog != "" && q.version != "":
		return usage(errors.New("--catalog and --version are two questions"), "leave one of the two out")
	case q.catalog == "" && (q.pkg != "" || q.channel != ""), q.pkg == "" && q.channel != "":
		return usage(errors.New("--channel belongs to --package, and --package to --catalog"), "add what is missing")
	}
	return nil
}

func runAvailableOperators(ctx context.Context, a *app, q operatorQuery, f listFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if err := q.check(); err != nil {
		return err
	}
	v := a.view(f.wide)
	if q.version != "" {
		list, err := available.Catalogs(ctx, f.host(a), q.version)
		if err != nil {
			return err
		}
		return printReport(a.stdout, f.output, catalogsReport{list}, func(w io.Writer) error {
			return v.print(w, func(w io.Writer) error { return printCatalogs(w, list, v) })
		})
	}
	got, err := available.Operators(ctx, f.host(a), q.catalog, q.pkg, q.channel)
	if err != nil {
		return err
	}
	return printReport(a.stdout, f.output, got, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printOperators(w, got, q, v) })
	})
}
