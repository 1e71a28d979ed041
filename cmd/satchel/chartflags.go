package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
)

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
	body, err := readValues(file)
	if err != nil {
		return err
	}
	values, err := manifests.ParseChartValues(name, file, body)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	*v.list = append(*v.list, values)
	return nil
}

func (v chartValues) Type() string { return "CHART=FILE" }

func readValues(name string) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, maxChartValues+1))
	if len(body) > maxChartValues {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxChartValues)
	}
	return body, err
}
