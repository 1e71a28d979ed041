package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/satchel-airgap/satchel/manifests"
)

// readConfig reads a file, or standard input for "-".
func readConfig(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

func checkArchiveSize(cfg *manifests.Config, name string, segmentSize int64) error {
	if limit := cfg.ArchiveSize << 30; limit > 0 && segmentSize > limit {
		return usage(fmt.Errorf("--segment-size is above the archiveSize of %d GiB in %s", cfg.ArchiveSize, name), "leave one of the two out")
	}
	return nil
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
	return manifests.Load(manifests.Request{Name: name, Data: data, Extra: extra, Clusters: clusters, Getenv: os.Getenv})
}
