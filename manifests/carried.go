package manifests

import "fmt"

// Carried names everything that the configuration asks for and that cannot be carried:
// what contradicts other parts of it, or names nothing that could be looked for. Empty
// sections ask for nothing. The error joins one *[ConfigError] for each.
func (c *Config) Carried() error {
	p := &problems{file: c.file, places: c.places}
	m := &c.Mirror
	m.Platform.carried(p)
	c.graphCarried(p)
	m.Helm.carried(p)
	if len(m.Samples) > 0 {
		p.refuse("mirror.samples", "oc-mirror reads it and carries nothing for it; name the images under mirror.additionalImages")
	}
	for i := range m.Operators {
		m.Operators[i].carried(p, fmt.Sprintf("mirror.operators[%d]", i))
	}
	return p.join()
}

// refuse reports what is not carried, at its key.
func (p *problems) refuse(path, why string) {
	p.addAt(p.places.Of(path).Key, "remove "+path+" from a copy of the file to carry the rest", "%s: %s", path, why)
}

// carried refuses what selects among releases and their parts. A release that is
// named has its own architecture, so that only one which contradicts is an error,
// in [Resolve].
func (pf *Platform) carried(p *problems) {
	if len(pf.Architectures) > 1 && pf.Release != "" && len(pf.Channels) == 0 {
		p.refuse("mirror.platform.architectures", "the payload that mirror.platform.release names has one architecture, or multi; name that one or none")
	}
}
