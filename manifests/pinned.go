package manifests

import (
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/pinfile"
	"github.com/satchel-airgap/satchel/oci"
)

// Pins is how a configuration is written so that it asks for what it names today.
type Pins struct {
	c     *Config
	found *pinfile.Pins
}

// PinsOf finds the digests and versions that a configuration names, by the inventory that
// [Resolve] made of it and by what is carried of its catalogs.
func PinsOf(c *Config, inv *oci.Inventory, contents []CatalogContents) Pins {
	return Pins{c, pinfile.Of(c, inv, contents)}
}

// Left lists what cannot be pinned, a line each.
func (p Pins) Left() []string { return p.found.Left }

// WithoutVersions are the same without the versions of operators, which the digests of their
// catalogs say too.
func (p Pins) WithoutVersions() Pins {
	plain := *p.found
	plain.Versions = nil
	return Pins{p.c, &plain}
}

// File is the configuration's file with the pins, and with its comments.
func (p Pins) File() ([]byte, error) {
	return p.c.Edited(slices.Concat(p.found.Edits, p.found.Versions))
}
