package pinfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Pins is what is to be written.
type Pins struct {
	Edits []imageset.Edit
	// Versions are those about the versions of operators. Their catalogs, by digest, say the
	// same already.
	Versions []imageset.Edit
	Left     []string // what cannot be pinned, a line each
}

// Of finds what a configuration names today, by the inventory that it was resolved to and by
// what is carried of its catalogs.
func Of(c *imageset.Config, inv *oci.Inventory, contents []documents.CatalogContents) *Pins {
	p := &pinning{c: c, inv: inv, contents: contents, out: &Pins{}}
	p.release()
	p.channels()
	p.graph()
	p.operators()
	p.additional()
	p.charts()
	p.byTag()
	for _, g := range inv.Gaps {
		if g.Image.Subject == "" {
			p.left("%s: it was not available", g.Image.Configured())
		}
	}
	if n := len(c.Extra.Pods); n > 0 {
		p.left("%s of pods: the file has no place for them", text.Count(n, "image", "images"))
	}
	p.out.Left = slices.Compact(p.out.Left)
	return p.out
}

type pinning struct {
	c        *imageset.Config
	inv      *oci.Inventory
	contents []documents.CatalogContents
	out      *Pins
}

func (p *pinning) set(value, format string, args ...any) {
	p.out.Edits = append(p.out.Edits, imageset.Edit{Path: fmt.Sprintf(format, args...), Value: value})
}

func (p *pinning) left(format string, args ...any) {
	p.out.Left = append(p.out.Left, text.ASCII(text.OneLine(fmt.Sprintf(format, args...))))
}

// find gives the image that a reference of the configuration stands for.
func (p *pinning) find(of oci.Origin, ref oci.Ref, path string) (oci.Image, bool) {
	i := slices.IndexFunc(p.inv.Images, func(img oci.Image) bool {
		return img.Subject == "" && img.Matches(ref) && (path == "" || img.MirrorPath() == path) && (of == "" || img.Origin == of)
	})
	if i < 0 {
		return oci.Image{}, false
	}
	return p.inv.Images[i], true
}

// pin writes a reference with the digest that it stands for.
func (p *pinning) pin(ref oci.Ref, d digest.Digest, at string) {
	ref.Digest = d
	p.set(ref.String(), "%s", at)
}

func (p *pinning) release() {
	ref, err := oci.ParseRef(p.c.Mirror.Platform.Release)
	if err != nil || ref.Digest != "" {
		return // it names none, or is pinned
	}
	if img, ok := p.find(origin.Release, ref, origin.PathPayload); ok {
		p.pin(ref, img.Root.Digest, "mirror.platform.release")
	}
}

// graph says that the graph image is built anew each time.
func (p *pinning) graph() {
	if !p.c.Mirror.Platform.Graph {
		return
	}
	base := ""
	for _, img := range p.inv.Images {
		if img.Built && img.Source.Registry == origin.LocalGraph {
			base = "; its base image was " + img.Base.String()
		}
	}
	p.left("the graph image: it is built from graph data of that day%s", base)
}

func (p *pinning) additional() {
	for i, a := range p.c.Mirror.AdditionalImages {
		if a.Name.Digest != "" {
			continue
		}
		path := a.TargetRepo
		if path == "" {
			path = a.Name.Repository
		}
		if img, ok := p.find("", a.Name, path); ok {
			p.pin(a.Name, img.Root.Digest, fmt.Sprintf("mirror.additionalImages[%d].name", i))
		}
	}
}

// byTag says of images that others name by tag that the file has no place for them.
func (p *pinning) byTag() {
	for _, of := range []struct {
		origin oci.Origin
		what   string
	}{{origin.Chart, "charts name"}, {origin.Operator, "operators name"}} {
		var names []string
		for _, img := range p.inv.Images {
			whole := len(img.Reasons) > 0 && img.Reasons[0].Kind == origin.KindChart && img.Reasons[0].Part == ""
			if img.Origin == of.origin && img.Subject == "" && img.Source.Digest == "" && !whole && !img.Built {
				names = append(names, img.Source.String())
			}
		}
		if len(names) > 0 {
			p.left("%s that %s by tag: %s", text.Count(len(names), "image", "images"), of.what, text.Some(text.Sorted(names), 3))
		}
	}
}

// charts pins the charts of repositories by their versions.
func (p *pinning) charts() {
	for i, r := range p.c.Mirror.Helm.Repositories {
		at := fmt.Sprintf("mirror.helm.repositories[%d]", i)
		host := strings.TrimPrefix(strings.TrimPrefix(r.URL, "oci://"), "https://")
		host, _, _ = strings.Cut(strings.TrimPrefix(host, "http://"), "/")
		if len(r.Charts) == 0 {
			for k, c := range p.carried(host, "") {
				p.set(c.name, "%s.charts[%d].name", at, k)
				p.set(c.version, "%s.charts[%d].version", at, k)
			}
			continue
		}
		for k, ch := range r.Charts {
			have := p.carried(host, ch.Name)
			switch {
			case len(have) == 0 || slices.ContainsFunc(have, func(c chart) bool { return c.version == ch.Version }):
			case len(have) == 1:
				p.set(have[0].version, "%s.charts[%d].version", at, k)
			default:
				p.left("chart %s: several versions of it are carried", ch.Name)
			}
		}
	}
	for _, ch := range p.c.Mirror.Helm.Local {
		p.left("chart %s: it is a file of the packing host", ch.Path)
	}
}

type chart struct{ name, version string }

// carried lists the charts of a repository's host, or, where it has none of them, of all: an
// index may name charts of other hosts.
func (p *pinning) carried(host, name string) []chart {
	var own, all []chart
	for _, img := range p.inv.Images {
		for _, why := range img.Reasons {
			n, version, ok := strings.Cut(why.Name, " ")
			if why.Kind != origin.KindChart || why.Part != "" || !ok || name != "" && n != name {
				continue
			}
			all = append(all, chart{n, version})
			if at, _, _ := strings.Cut(img.Source.Registry, ":"); img.Source.Registry == host || at == host {
				own = append(own, chart{n, version})
			}
		}
	}
	if len(own) > 0 || name == "" {
		return slices.Compact(own)
	}
	return slices.Compact(all)
}
