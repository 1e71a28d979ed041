package imageset

import (
	"fmt"
	"strings"
)

// Notes says what the configuration asks for that is legal, and likely not what is meant.
func (c *Config) Notes() (notes []string) {
	host := func(at, path string) {
		first, rest, more := strings.Cut(path, "/")
		if more && (strings.Contains(first, ".") || first == "localhost") {
			notes = append(notes, fmt.Sprintf("%s %s: %s looks like the host of a registry and becomes a part of the path in the mirror; if it is a host, write %s", at, path, first, rest))
		}
	}
	for i, o := range c.Mirror.Operators {
		host(fmt.Sprintf("mirror.operators[%d].targetCatalog", i), o.TargetCatalog)
	}
	for i, a := range c.Mirror.AdditionalImages {
		host(fmt.Sprintf("mirror.additionalImages[%d].targetRepo", i), a.TargetRepo)
	}
	if c.ArchiveSize > 0 {
		notes = append(notes, fmt.Sprintf("archiveSize %d: where a bundle is written to a directory that is not the root of a drive, so many GiB of it go into each directory there (drive-01, drive-02, ...) if it is larger than that; a drive is taken as a whole", c.ArchiveSize))
	}
	return notes
}

// dockerTransport is what other tools want before a reference; it says nothing here.
const dockerTransport = "docker://"

// normalize takes from references what says nothing.
func (m *Mirror) normalize() {
	for i := range m.Operators {
		o := &m.Operators[i]
		o.Catalog = strings.TrimPrefix(o.Catalog, dockerTransport)
	}
}
