package check

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// errAbsent says that neither the mirror nor a bundle gives what is to be read.
var errAbsent = errors.New("the mirror is not asked, and no bundle that was given has it")

// with reads an image: from where nodes get it, or, if the mirror is not asked, from the bundles.
func (c *checking) with(ctx context.Context, ref oci.Ref, do func(oci.Source, oci.Descriptor) error) error {
	if c.Offline {
		for _, b := range c.Bundles {
			i := slices.IndexFunc(b.Inventory.Images, func(img oci.Image) bool { return img.Root.Digest == ref.Digest })
			if i >= 0 && b.Source != nil {
				return c.fromBundles(b.Source, b.Inventory.Images[i].Root, do)
			}
		}
		return errAbsent
	}
	p, err := c.node.Pull(ctx, ref)
	if err != nil {
		return err
	}
	return errors.Join(do(p, p.Root), p.Close())
}

// fromBundles reads an image of one bundle. What an incremental one lacks may be in another that was given.
func (c *checking) fromBundles(first oci.Source, root oci.Descriptor, do func(oci.Source, oci.Descriptor) error) error {
	all := oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		r, err := first.Open(ctx, d, off)
		for _, b := range c.Bundles {
			if !errors.Is(err, fs.ErrNotExist) {
				break
			}
			if b.Source != nil {
				r, err = b.Source.Open(ctx, d, off)
			}
		}
		return r, err
	})
	err := do(all, root)
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	return err
}

// fromReceipts answers by receipts alone: whether a rule leads to a repository that is to have it.
func (c *checking) fromReceipts(w Wanted, img *Image) error {
	route, err := c.node.Route(w.Ref)
	if err != nil {
		img.findings = append(img.findings, Finding{Kind: Refused, Fails: !w.Attached, Image: w.Ref.String(), Wrong: "nodes make no place of its name: " + err.Error(), Do: "correct the rule that covers it"})
		return nil
	}
	img.Rule = route.Rule
	defer c.refusedByName(w, img)
	f := Finding{Fails: !w.Attached, Image: w.Ref.String(), Rule: route.Rule}
	for _, at := range route.Places {
		if at.Source && len(route.Places) > 1 {
			continue
		}
		if img.Place == "" && c.mayHave(at.Ref.Registry) {
			if img.Digest = c.carried.there(w.Ref, at.Ref); img.Digest != "" {
				img.Place = at.Ref.Name()
			}
		}
	}
	switch only := len(route.Places) == 1; {
	case only && img.Place == "" && c.besides(w.Ref.Registry):
		img.Place = w.Ref.Name()
		c.note(w.Ref.Registry + " (--inside) was not asked, so whether it has its images is not known")
		return nil
	case only && w.Ref.Digest == "" && c.ruled(w.Ref):
		f.Kind, f.Fails, f.Rule = ByTag, false, w.Ref.Name()
		f.Wrong, f.Do = "it is pulled by tag, and no rule for tags covers it", "name it by digest, or by its name in the mirror"
	case img.Place == "" && only && !c.node.Reaches(w.Ref.Registry):
		c.withoutRule(&f, w)
	case img.Place == "" && c.nothingCarried():
		f.Kind, f.Fails, f.Wrong = Unknown, false, "no receipt and no bundle was read that could have it"
	case img.Place == "":
		f.Kind, f.Wrong, f.Do = Missing, "no receipt and no bundle says that the mirror has it", "carry it with a bundle"
	default:
		return nil
	}
	img.findings = append(img.findings, f)
	return nil
}

// mayHave reports whether what receipts and bundles name can be at a registry: it is the mirror, under the address
// that images were pushed to or under one that the files have for it. Without files nobody knows its addresses.
func (c *checking) mayHave(registry string) bool {
	if c.isMirror(registry) || slices.Contains(c.namedHosts(), registry) {
		return true
	}
	own := c.rules.Mirrors()
	if c.Handover != nil {
		own = c.Handover.Nodes.Mirrors()
	}
	at := func(place string) bool { return strings.HasPrefix(place, registry+"/") || place == registry }
	known := slices.ContainsFunc(c.rules.Mirrors(), func(place string) bool {
		host, _, _ := strings.Cut(place, "/")
		return c.isMirror(host)
	})
	return slices.ContainsFunc(own, at) && (c.Handover != nil || !known)
}

// besides reports whether nodes reach a registry that is no mirror.
func (c *checking) besides(registry string) bool {
	return c.node.Reaches(registry) && !slices.Contains(c.placeHosts(), registry)
}

// note adds what is not known.
func (c *checking) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Notes = append(c.report.Notes, what)
}
