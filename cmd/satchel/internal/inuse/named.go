package inuse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Named is what a delete configuration names of a mirror.
type Named struct {
	goes  map[place]bool
	notes []string
}

// Goes reports whether a manifest is named, alone or as a part of what is. What anything
// else has too that is not named, such as another tag or another release, is not.
func (n *Named) Goes(repo string, d digest.Digest) bool { return n.goes[place{repo, d}] }

// Notes is what of the configuration could not be found, a line each.
func (n *Named) Notes() []string { return n.notes }

// naming is one run of [Name].
type naming struct {
	*asking
	out     *Named
	origins map[place][]oci.Origin // for which an image is named
	whole   map[place]bool         // named by its digest, whatever tags it has
	tags    map[tagged]bool        // that are named
	shared  map[place]bool         // what operators have that are not named
	render  manifests.ChartRenderer
}

// Name finds what a delete configuration names, by the receipts, and by the releases and
// catalogs in the mirror alone. It only reads. What a registry does not say
// now and may say later is an error. Charts are read by render.
func Name(ctx context.Context, c *manifests.DeleteConfig, host string, list []*receipt.Receipt, mirror Mirror, render manifests.ChartRenderer) (*Named, error) {
	n := &naming{asking: newAsking(host, list, mirror), out: &Named{goes: map[place]bool{}}, origins: map[place][]oci.Origin{},
		whole: map[place]bool{}, tags: map[tagged]bool{}, shared: map[place]bool{}, render: render}
	n.releases(&c.Delete.Platform)
	n.additional(c.Delete.AdditionalImages)
	if err := n.charts(ctx, &c.Delete.Helm); err != nil {
		return nil, err
	}
	if err := n.operators(ctx, c.Delete.Operators); err != nil {
		return nil, err
	}
	n.choose()
	n.attachments()
	return n.out, n.children(ctx)
}

func (n *naming) note(format string, args ...any) {
	n.out.notes = append(n.out.notes, fmt.Sprintf(format, args...))
}

// name names an image for what has these origins.
func (n *naming) name(at place, origins ...oci.Origin) {
	for _, o := range origins {
		n.origins[at] = with(n.origins[at], o)
	}
}

// releases names those of a configuration, each with its components.
func (n *naming) releases(pf *manifests.Platform) {
	if pf.Graph {
		found := false
		for _, img := range n.images {
			if n.graphs[img.repo] {
				n.name(img.place, manifests.OriginRelease)
				n.whole[img.place], found = true, true
			}
		}
		if !found {
			n.note("delete.platform.graph: no receipt has a graph image")
		}
	}
	if pf.Release != "" && !n.payload(func(img *image) bool { return n.isNamed(img, pf.Release) }) {
		n.note("delete.platform.release: no receipt has %s", pf.Release)
	}
	for i := range pf.Channels {
		one := *pf
		one.Channels = pf.Channels[i : i+1]
		found := n.payload(func(img *image) bool { return slices.ContainsFunc(img.tags, one.Takes) })
		at := fmt.Sprintf("delete.platform.channels[%d]", i)
		if doubt := pf.Channels[i].Doubt(); doubt != "" {
			n.note("%s: %s", at, doubt)
		} else if !found {
			n.note("%s: no receipt has a release of %s in these versions", at, pf.Channels[i].Name)
		}
	}
}

// isNamed reports whether a reference names an image.
func (n *naming) isNamed(img *image, name string) bool {
	ref, err := oci.ParseRef(name)
	if err != nil {
		return false // which was refused before
	}
	return ref.Digest == img.digest || ref.Digest == "" && slices.Contains(img.tags, ref.Tag)
}

// payload names the releases that are chosen, and reports whether there is one.
func (n *naming) payload(chosen func(*image) bool) (found bool) {
	for _, img := range n.images {
		if !n.isPayload(img) || !chosen(img) {
			continue
		}
		found = true
		n.name(img.place, manifests.OriginRelease)
		for _, tag := range img.tags {
			n.tags[tagged{img.repo, tag}] = true
		}
		for _, part := range n.components(img) {
			n.name(part.place, manifests.OriginRelease)
			for _, tag := range part.tags {
				if slices.ContainsFunc(img.tags, func(of string) bool { return strings.HasPrefix(tag, of+"-") }) {
					n.tags[tagged{part.repo, tag}] = true
				}
			}
		}
	}
	return found
}

// additional names images that are named alone; what pods or charts were carried for may be
// among them.
func (n *naming) additional(list []manifests.AdditionalImage) {
	for i := range list {
		path, ref := list[i].Place()
		repos := n.at(path)
		if list[i].TargetRepo == "" {
			for _, repo := range n.repos(n.host, ref) {
				repos = with(repos, repo)
			}
		}
		found := false
		for _, repo := range repos {
			if ref.Digest != "" && n.of[place{repo, ref.Digest}] != nil {
				n.whole[place{repo, ref.Digest}], found = true, true
				n.name(place{repo, ref.Digest}, manifests.OriginAdditional, manifests.OriginPod, manifests.OriginChart)
			}
			if ref.Digest == "" {
				found = n.byTag(repo, ref.Tag, manifests.OriginAdditional, manifests.OriginPod, manifests.OriginChart) || found
			}
		}
		if !found {
			n.note("delete.additionalImages[%d]: no receipt has %s", i, list[i].Name)
		}
	}
}

// byTag names what a tag is and was on.
func (n *naming) byTag(repo, tag string, origins ...oci.Origin) bool {
	at := tagged{repo, tag}
	for _, d := range n.facts.tags[at] {
		n.tags[at] = true
		n.name(place{repo, d}, origins...)
	}
	return n.tags[at]
}

// choose decides, root by root: every part of a configuration that asked for it must be
// named, and every tag that it has.
func (n *naming) choose() {
	for _, img := range n.images {
		if !img.itself || n.shared[img.place] || len(n.origins[img.place]) == 0 {
			continue
		}
		others := slices.ContainsFunc(img.origins, func(o oci.Origin) bool { return !slices.Contains(n.origins[img.place], o) })
		unnamed := slices.ContainsFunc(img.tags, func(tag string) bool {
			return !strings.HasPrefix(tag, fixedPrefix) && !n.tags[tagged{img.repo, tag}]
		})
		if !others && (!unnamed || n.whole[img.place]) {
			n.out.goes[img.place] = true
		}
	}
}

// attachments go with what they are attached to.
func (n *naming) attachments() {
	for more := true; more; {
		more = false
		for _, img := range n.images {
			if img.itself || n.out.goes[img.place] {
				continue
			}
			if slices.ContainsFunc(img.subjects, func(d digest.Digest) bool { return n.out.goes[place{img.repo, d}] }) {
				n.out.goes[img.place], more = true, true
			}
		}
	}
}

// children go with the index that names them, unless another one has them too that stays, or
// they are images of their own that stay.
func (n *naming) children(ctx context.Context) error {
	for more := true; more; {
		more = false
		for at := range n.out.goes {
			if !slices.Contains(n.indexes[at.repo], at.digest) {
				continue
			}
			list, err := n.indexesIn(ctx, at.repo)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(p parent) bool { return p.digest == at.digest })
			if i < 0 {
				continue // it is not there
			}
			for _, d := range list[i].children {
				child := place{at.repo, d}
				kept := func(p parent) bool { return slices.Contains(p.children, d) && !n.out.goes[place{at.repo, p.digest}] }
				if n.of[child] != nil && n.of[child].itself || n.out.goes[child] || slices.ContainsFunc(list, kept) {
					continue
				}
				n.out.goes[child], more = true, true
			}
		}
		if more {
			n.attachments()
		}
	}
	return nil
}
