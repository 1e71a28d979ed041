package helm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// MaxArchive is the largest archive that is read, in bytes. What it holds is
// bounded by Helm: 5 MiB a file, 100 MiB together.
const MaxArchive = 32 << 20

var tooLarge = fmt.Sprintf("it has more than %d MiB", MaxArchive>>20)

// Chart is a chart that was read. It can be rendered once.
type Chart struct {
	Name    string
	Version string // as its Chart.yaml writes it
	Archive []byte
	chart   *helm.Chart
}

// Load reads an archive.
func Load(archive []byte) (*Chart, error) {
	if len(archive) > MaxArchive {
		return nil, errors.New(tooLarge)
	}
	c, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("it is not a chart: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("it is not a valid chart: %w", err)
	}
	return &Chart{Name: c.Metadata.Name, Version: c.Metadata.Version, Archive: archive, chart: c}, nil
}

// IsLibrary reports whether the chart is one that only other charts use.
func (c *Chart) IsLibrary() bool { return isLibrary(c.chart.Metadata.Type) }

func isLibrary(kind string) bool { return kind == "library" }

// String is the chart's name and version.
func (c *Chart) String() string { return c.Name + " " + c.Version }

// missing lists the dependencies that the archive does not have.
func (c *Chart) missing() error {
	have := map[string]bool{}
	for _, d := range c.chart.Dependencies() {
		have[d.Name()] = true
	}
	var list []string
	for _, d := range c.chart.Metadata.Dependencies {
		if !have[d.Name] {
			list = append(list, d.Name)
		}
	}
	if len(list) > 0 {
		return fmt.Errorf("it needs charts that are not in its charts directory: %s (helm dependency build puts them there)", strings.Join(list, ", "))
	}
	return nil
}
