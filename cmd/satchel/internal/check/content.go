package check

import (
	"context"
	"errors"
	"slices"

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
				return do(b.Source, b.Inventory.Images[i].Root)
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

// fromReceipts answers by receipts alone: whether a rule leads to a repository that is to have it.
func (c *checking) fromReceipts(w Wanted, img *Image) error {
	route, err := c.node.Route(w.Ref)
	if err != nil {
		return err
	}
	img.Rule = route.Rule
	f := Finding{Fails: !w.Attached, Image: w.Ref.String(), Rule: route.Rule}
	for _, at := range route.Places {
		if at.Source && len(route.Places) > 1 {
			continue
		}
		if w.Ref.Digest == "" || c.carried.manifests[at.Ref.Repository][w.Ref.Digest] {
			img.Place, img.Digest = at.Ref.Name(), w.Ref.Digest
		}
	}
	switch {
	case len(route.Places) == 1 && w.Ref.Digest == "" && c.ruled(w.Ref):
		f.Kind, f.Fails, f.Rule = ByTag, false, w.Ref.Name()
		f.Wrong, f.Do = "it is pulled by tag, and no rule for tags covers it", "name it by digest, or by its name in the mirror"
	case img.Place == "" && len(route.Places) == 1 && !c.isPlace(w.Ref):
		f.Kind, f.Wrong, f.Do = NoRule, "no rule leads from "+w.Ref.Name()+" to a mirror", "write the files for the cluster again (satchel render), and apply the rules"
	case img.Place == "":
		f.Kind, f.Wrong, f.Do = Missing, "no receipt says that the mirror has it", "carry it with a bundle"
	default:
		return nil
	}
	img.findings = append(img.findings, f)
	return nil
}

// isPlace reports whether an image is named at a mirror.
func (c *checking) isPlace(ref oci.Ref) bool { return slices.Contains(c.placeHosts(), ref.Registry) }
