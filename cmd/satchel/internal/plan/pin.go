package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// pin writes the configuration with what it names today into the report. What was written is
// resolved: it names the same images, else it is a *[PinError].
func (p *planning) pin(ctx context.Context, r *Report) error {
	inv := p.Inventory()
	pins := manifests.PinsOf(p.Config, inv, r.Catalogs)
	others, err := p.pinned(ctx, r, inv, pins)
	if err != nil {
		return err
	}
	r.NotPinned = pins.Left()
	if len(others) > 0 { // a range of versions can mean more than heads did
		if others, err = p.pinned(ctx, r, inv, pins.WithoutVersions()); err != nil {
			return err
		}
		r.NotPinned = append(slices.Clone(r.NotPinned), "the versions of operators, as ranges, would choose other images; the digests of their catalogs fix them as well")
	}
	if len(others) > 0 {
		return &PinError{others}
	}
	return nil
}

// PinError says that a configuration with digests and versions names other images than the one
// that it was made of, which was found before it was written.
type PinError struct {
	Others []string // images that only one of the two names
}

func (e *PinError) Error() string {
	return fmt.Sprintf("pin the configuration: with digests and versions it names other images than without, so it was not written: %s, such as %s", text.Count(len(e.Others), "image", "images"), text.Some(e.Others, 3))
}

// Hint says what to do now.
func (e *PinError) Hint() string {
	return "pin it again: what it names may have changed just now"
}

// Permanent is false: tags may have moved between the two looks.
func (e *PinError) Permanent() bool { return false }

// pinned writes the file with some pins, and gives the images that it does not name.
func (p *planning) pinned(ctx context.Context, r *Report, inv *oci.Inventory, pins manifests.Pins) (others []string, err error) {
	if r.Pinned, err = pins.File(); err != nil {
		return nil, err
	}
	extra := p.Config.Extra
	extra.PodFiles, extra.Templates = nil, nil // pods were read; templates are read again
	cfg, err := manifests.Load(manifests.Request{Name: p.File, Data: r.Pinned, Extra: extra})
	if err != nil {
		return nil, fmt.Errorf("read the pinned configuration: %w", err)
	}
	again, err := p.Resolves(ctx, cfg)
	if _, gaps := oci.Gaps(err); err != nil && (!gaps || !p.KeepGoing) {
		return nil, fmt.Errorf("resolve the pinned configuration: %w", err)
	}
	return differ(inv, again), nil
}

// differ lists the images of one inventory that the other does not have in the same place. What
// is attached to images, and what is a gap, does not count.
func differ(a, b *oci.Inventory) []string {
	lines := func(inv *oci.Inventory) map[string]string {
		of := map[string]string{}
		for _, img := range inv.Images {
			if img.Subject == "" {
				of[fmt.Sprint(img.MirrorPath(), img.Root.Digest, img.Tags, img.Platforms)] = img.Configured().String()
			}
		}
		return of
	}
	missing := map[string]bool{}
	for _, g := range a.Gaps {
		missing[g.Image.MirrorPath()] = true
	}
	var list []string
	before, after := lines(a), lines(b)
	for k, name := range before {
		if after[k] == "" {
			list = append(list, name)
		}
	}
	for _, img := range b.Images {
		if k := fmt.Sprint(img.MirrorPath(), img.Root.Digest, img.Tags, img.Platforms); before[k] == "" && !missing[img.MirrorPath()] {
			list = append(list, img.Configured().String())
		}
	}
	return text.Sorted(list)
}
