package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/renderer"
	"github.com/satchel-airgap/satchel/manifests"
)

// readConfig reads a file, or standard input for "-".
func readConfig(name string) ([]byte, error) {
	if name == "-" {
		return durable.ReadFrom(os.Stdin, durable.MaxGiven)
	}
	return durable.Read(name, durable.MaxGiven)
}

// loadSet reads the configuration that command carries out.
func loadSet(command, name string, extra manifests.Extra, clusters []*manifests.Cluster) (*manifests.Config, error) {
	if name == "" {
		return nil, usage(errors.New(command+" needs -c FILE"), "name an ImageSetConfiguration")
	}
	data, err := readConfig(name)
	if err != nil {
		return nil, usage(fmt.Errorf("read configuration: %w", err), "name an ImageSetConfiguration (-c FILE)")
	}
	extra.Charts = renderer.New(version())
	return manifests.Load(manifests.Request{Name: name, Data: data, Extra: extra, Clusters: clusters, Getenv: os.Getenv})
}
