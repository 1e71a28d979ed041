package manifests

import (
	"cmp"
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/chart"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/operator"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/pin"
	"github.com/satchel-airgap/satchel/manifests/internal/pods"
	"github.com/satchel-airgap/satchel/manifests/internal/release"
	"github.com/satchel-airgap/satchel/oci"
)

// Resolve pins what cfg asks for to digests. It asks [Config.CheckSupported] first, and
// from, for each reference once, several at a time. An image whose reference has
// a digest keeps that digest, and the tag if it has one. The inventory is sorted and
// valid; what several parts of cfg ask for is in it once, with the tags and
// reasons of all. The error joins a *[oci.Gap] for each image that is not
// available, and the inventory then has the others; a configuration that asks for no
// image at all is a *[ConfigError], and a release that is not signed a
// *[SignatureError].
func Resolve(ctx context.Context, cfg *Config, from Images) (*oci.Inventory, error) {
	if err := cfg.CheckSupported(); err != nil {
		return nil, err
	}
	if err := cfg.CheckNotEmpty(); err != nil {
		return nil, err
	}
	for _, note := range cfg.Notes() {
		from.Note(note)
	}
	from = ask.Pin(from)
	all, gaps, err := wantedOf(ctx, cfg, from)
	if err != nil {
		return nil, err
	}
	some, gaps, err := pin.LeaveOutBlocked(cfg, all.Images, gaps, from)
	if err != nil {
		return nil, err
	}
	images, err := pin.Find(ctx, ask.Unite(some), from)
	if err != nil {
		return nil, err
	}
	pin.ShareParts(images)
	pin.NoteLacking(images, from.Note)
	inv := &oci.Inventory{Documents: all.Documents}
	for _, f := range images {
		if f.Err != nil {
			gaps = append(gaps, &oci.Gap{Image: f.Image, Err: f.Err})
		} else {
			inv.Images = append(inv.Images, f.Image)
		}
	}
	pin.AssignPodTags(inv.Images, from.Note)
	inv.Sort()
	return inv, oci.JoinGaps(gaps)
}

// Image lists what each part of the configuration asks for, and what of it
// is not available. Its error is one that ends the run.
func wantedOf(ctx context.Context, c *Config, from Images) (all ask.Set, gaps []*oci.Gap, err error) {
	for _, part := range []func(context.Context, *Config, ask.Images) (ask.Set, error){
		release.Configured,
		release.Channels,
		release.GraphImage,
		operator.Catalogs,
		additionalImages,
		chart.Images,
		pods.Images,
		operator.Templates,
	} {
		some, err := part(ctx, c, from)
		lost, ok := oci.Gaps(err)
		if cerr := ctx.Err(); cerr != nil {
			return ask.Set{}, nil, fmt.Errorf("resolve images: %w", cerr)
		}
		if !ok {
			return ask.Set{}, nil, err
		}
		all.Images, all.Documents = append(all.Images, some.Images...), append(all.Documents, some.Documents...)
		all.Signatures, all.Payloads = append(all.Signatures, some.Signatures...), append(all.Payloads, some.Payloads...)
		gaps = append(gaps, lost...)
	}
	signed, err := documents.WriteSignatures(ctx, all.Signatures, from)
	if err != nil {
		return all, gaps, err
	}
	facts, err := documents.WritePayloadFacts(ctx, all.Payloads, from)
	all.Documents = append(append(all.Documents, signed...), facts...)
	return all, gaps, err
}

// additionalImages asks for mirror.additionalImages, each under its own name or
// that of targetRepo and targetTag.
func additionalImages(_ context.Context, c *Config, _ ask.Images) (ask.Set, error) {
	var list []ask.Image
	for _, a := range c.Mirror.AdditionalImages {
		w := ask.Image{Origin: origin.Additional, Ref: a.Name, Path: a.TargetRepo, Reasons: []oci.Reason{{Kind: origin.KindAdditional}}, Only: imageset.PlatformNames(a.Platforms)}
		if tag := cmp.Or(a.TargetTag, a.Name.Tag); tag != "" {
			w.Tags = []string{tag}
		}
		list = append(list, w)
	}
	return ask.Set{Images: list}, nil
}
