package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(f *pflag.FlagSet, e *manifests.Extra) {
	f.Var(chartValues{&e.HelmValues}, "helm-values", "render the Helm chart of that name with the values in FILE, as `CHART=FILE` (may be given more than once)")
}

// maxChartValues is the largest values file that is read, in bytes.
const maxChartValues = 4 << 20

// chartValues is a flag of values files.
type chartValues struct{ list *[]manifests.ChartValues }

func (v chartValues) String() string { return "" }

func (v chartValues) Set(s string) error {
	name, file, ok := strings.Cut(s, "=")
	if !ok || name == "" || file == "" {
		return errors.New("write it as CHART=FILE")
	}
	body, err := readSmallFile(file, maxChartValues)
	if err != nil {
		return err
	}
	values, err := manifests.ParseChartValues(name, body)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	*v.list = append(*v.list, values)
	return nil
}

func (v chartValues) Type() string { return "CHART=FILE" }

func readSmallFile(name string, limit int64) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return body, err
}
