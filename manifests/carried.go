package manifests

import "fmt"

// Carried names everything that the configuration asks for and this version of
// satchel does not carry: it carries additional images alone. Empty sections ask
// for nothing. The error joins one *[ConfigError] for each.
func (c *Config) Carried() error {
	p := &problems{file: c.file, places: c.places}
	m := &c.Mirror
	section := func(name string, asked bool) {
		if asked {
			p.refuse("mirror."+name, "this version of satchel carries mirror.additionalImages only")
		}
	}
	section("platform", m.Platform.asks())
	section("operators", len(m.Operators) > 0)
	section("helm", len(m.Helm.Repositories)+len(m.Helm.Local) > 0)
	section("blockedImages", len(m.BlockedImages) > 0)
	section("samples", len(m.Samples) > 0)
	for i, a := range m.AdditionalImages {
		path := fmt.Sprintf("mirror.additionalImages[%d].", i)
		field := func(name string, asked bool) {
			if asked {
				p.refuse(path+name, "this version of satchel carries additional images whole and under their own names only")
			}
		}
		field("targetRepo", a.TargetRepo != "")
		field("targetTag", a.TargetTag != "")
		field("platforms", len(a.Platforms) > 0)
	}
	return p.join()
}

// refuse reports what is not carried, at its key.
func (p *problems) refuse(path, why string) {
	p.addAt(p.places.Of(path).Key, "remove "+path+" from a copy of the file to carry the rest", "%s: %s", path, why)
}

// asks reports whether anything is set but "graph: false" and its like.
func (pf *Platform) asks() bool {
	return pf.Graph || pf.KubeVirtContainer || pf.Release != "" ||
		len(pf.Channels)+len(pf.Architectures)+len(pf.Platforms) > 0
}
