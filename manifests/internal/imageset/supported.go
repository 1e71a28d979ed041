package imageset

import (
	"fmt"
)

// CheckSupported names everything that the configuration asks for and that cannot be carried:
// what contradicts other parts of it, or names nothing that could be looked for. Empty
// sections ask for nothing. The error joins one *[ConfigError] for each.
func (c *Config) CheckSupported() error {
	p := c.Problems()
	m := &c.Mirror
	m.Platform.checkSupported(p)
	c.checkGraph(p)
	m.Helm.checkSupported(p)
	if len(m.Samples) > 0 {
		p.refuse("mirror.samples", "oc-mirror reads it and carries nothing for it; name the images under mirror.additionalImages")
	}
	for i := range m.Operators {
		m.Operators[i].checkSupported(p, fmt.Sprintf("mirror.operators[%d]", i))
	}
	return p.Join()
}

// checkSupported refuses what selects among releases and their parts. A release that is
// named has its own architecture, so that only one which contradicts is an error,
// in [manifests.Resolve].
func (pf *Platform) checkSupported(p *Problems) {
	if len(pf.Architectures) > 1 && pf.Release != "" && len(pf.Channels) == 0 {
		p.refuse("mirror.platform.architectures", "the payload that mirror.platform.release names has one architecture, or multi; name that one or none")
	}
}

// asked reports whether any chart is asked for.
func (h *Helm) asked() bool { return len(h.Repositories)+len(h.Local) > 0 }

// CheckNotEmpty returns a *[ConfigError] for a configuration that asks for nothing.
func (c *Config) CheckNotEmpty() error {
	if c.Mirror.Helm.asked() || c.Mirror.Platform.Graph || c.Mirror.Platform.Release != "" || len(c.Mirror.Platform.Channels)+len(c.Mirror.Operators)+len(c.Mirror.AdditionalImages)+len(c.Extra.Pods)+len(c.Extra.Running) > 0 {
		return nil
	}
	p := c.Problems()
	p.Add("mirror", "there is nothing to carry: none of mirror.platform.release, mirror.platform.channels, mirror.platform.graph, mirror.operators, mirror.additionalImages and mirror.helm names an image")
	return p.Join()
}
