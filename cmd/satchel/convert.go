package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/manifests"
)

func newConvert(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "convert -c FILE",
		Short: "Rewrite a configuration of oc-mirror v1 (v1alpha2) as v2alpha1",
		Long: `convert reads an ImageSetConfiguration of v1alpha2, which oc-mirror v1 uses, and prints
it as v2alpha1, which plan and pack read. What cannot be carried over is listed on
stderr; if the rest is wrong too, nothing is printed but what is to be corrected in
FILE. Comments stay. FILE is not changed.`,
		Example: "  satchel convert -c old.yaml > imageset.yaml",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return usage(errors.New("convert needs -c FILE"), "name the configuration of oc-mirror v1")
			}
			return runConvert(a, file)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "`FILE` with an ImageSetConfiguration of v1alpha2, - for standard input")
	return cmd
}

func runConvert(a *app, file string) error {
	data, err := readConfig(file)
	if err != nil {
		return usage(fmt.Errorf("read configuration: %w", err), "name an existing file (-c FILE)")
	}
	out, changes, err := manifests.Convert(file, data)
	for _, c := range changes {
		a.warn("%v", c)
	}
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(out); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}
