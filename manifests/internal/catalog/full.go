package catalog

import (
	"encoding/json"
	"fmt"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

// maxServed is the largest bundle that is made ready to be served, in bytes. OLM gets
// bundles by gRPC, whose messages have 4 MiB at most.
const maxServed = 8 << 20

// Full decodes a bundle with the manifests that lie in it, as declcfg does. The error
// says what cannot be, in one line.
func Full(m *declcfg.Meta) (*declcfg.Bundle, error) {
	if len(m.Blob) > maxServed {
		return nil, fmt.Errorf("%s %q: it has more than the %d MiB that can be served", m.Schema, cut(m.Name), maxServed>>20)
	}
	var in struct {
		Properties []struct {
			Type  string          `json:"type"`
			Value json.RawMessage `json:"value"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(m.Blob, &in); err != nil {
		return nil, fmt.Errorf("%s %q: %w", m.Schema, cut(m.Name), err)
	}
	for _, p := range in.Properties {
		if p.Type != property.TypeBundleObject {
			continue
		}
		if err := checkObject(p.Value); err != nil {
			return nil, fmt.Errorf("%s %q: a manifest in it: %w", m.Schema, cut(m.Name), err)
		}
	}
	cfg, err := declcfg.LoadSlice([]*declcfg.Meta{m})
	if err != nil {
		return nil, fmt.Errorf("%s %q: %s", m.Schema, cut(m.Name), plain(err.Error()))
	}
	p, err := property.Parse(cfg.Bundles[0].Properties)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %q: %s", m.Schema, cut(m.Name), plain(err.Error()))
	case len(p.CSVMetadatas) > 1:
		return nil, fmt.Errorf("%s %q: it has %d properties of type %s, not 1", m.Schema, cut(m.Name), len(p.CSVMetadatas), property.TypeCSVMetadata)
	}
	return &cfg.Bundles[0], nil
}

// checkObject refuses a manifest that takes much more memory than it has bytes.
func checkObject(value []byte) error {
	var o property.BundleObject
	if err := json.Unmarshal(value, &o); err != nil {
		return err
	}
	d := document{body: o.Data, json: json.Valid(o.Data)}
	if d.marks() > maxMarks {
		return fmt.Errorf("it has more than %d values", maxMarks)
	}
	return d.checkAliases()
}
