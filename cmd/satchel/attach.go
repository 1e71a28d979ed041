package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// fallbackTag is the tag of a referrers index (OCI distribution-spec, "Referrers
// Tag Schema").
var fallbackTag = regexp.MustCompile(`^sha256-[0-9a-f]{64}$`)

// checkFallback refuses a referrers index that is named as an image: it would
// overwrite the one that the mirror makes of the referrers it gets.
func checkFallback(inv *oci.Inventory) error {
	var errs []error
	for _, img := range inv.Images {
		if img.Subject == "" && fallbackTag.MatchString(img.Source.Tag) {
			errs = append(errs, &oci.UnsupportedError{What: "image " + img.Source.String(),
				Why: "it is the index of another image's referrers; name that image, and its referrers go along"})
		}
	}
	return errors.Join(errs...)
}

// attach adds what is attached to the images: signatures, attestations and other
// referrers of every manifest, and what is attached to those in turn.
func (p *preparing) attach(ctx context.Context) error {
	asked := map[string]bool{}
	type place struct{ source, path string }
	carried := map[place]bool{}
	for _, img := range p.inv.Images {
		carried[place{img.Source.String(), img.Path}] = true
	}
	for _, img := range p.gaps.Images {
		if unlisted(img) {
			continue
		}
		carried[place{img.Image.Source.String(), img.Image.Path}] = true // by name, and not to be had
	}
	for {
		before := len(p.inv.Images)
		found, err := p.attachments(ctx, asked)
		if err != nil {
			return err
		}
		dropped := len(p.inv.Images) != before
		var images []oci.Image
		for _, img := range found {
			if at := (place{img.Source.String(), img.Path}); !carried[at] {
				carried[at] = true
				p.debug("%s is attached to %s", img.Source, img.Subject)
				images = append(images, img)
			}
		}
		if len(images) == 0 && !dropped {
			return nil
		}
		if len(images) > 0 {
			p.info("found %d signatures and other referrers", len(images))
		}
		p.inv.Images = append(p.inv.Images, images...)
		p.inv.Sort()
		if err := p.survey(ctx); err != nil {
			return err
		}
	}
}

// attachments asks for what is attached to each manifest, in each repository
// that it is carried from, unless that was asked before.
func (p *preparing) attachments(ctx context.Context, asked map[string]bool) ([]oci.Image, error) {
	type question struct {
		node oci.Node
		repo oci.Ref
	}
	var questions []question
	for _, n := range p.graph.Manifests {
		for _, repo := range p.repos(n) {
			if key := repo.WithDigest(n.Descriptor.Digest).String(); !asked[key] && p.catalogs.of(repo) == nil {
				asked[key] = true
				questions = append(questions, question{n, repo})
			}
		}
	}
	answers := make([][]oci.Image, len(questions))
	errs := make([]error, len(questions))
	var g errgroup.Group
	g.SetLimit(p.parallelImages)
	for i, q := range questions {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			answers[i], errs[i] = p.attachedTo(ctx, q.node, q.repo)
			return nil
		})
	}
	_ = g.Wait() // each error is in its place in errs
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look for signatures: %w", err)
	}
	return slices.Concat(answers...), p.tolerate(errors.Join(errs...))
}

func (p *preparing) attachedTo(ctx context.Context, n oci.Node, ref oci.Ref) ([]oci.Image, error) {
	owners := p.owners(n, ref)
	repo, err := p.client.Repository(ref)
	if err != nil {
		return nil, err
	}
	list, err := repo.Attachments(ctx, n.Descriptor)
	if err != nil {
		return nil, unlistedError(owners, n, ref, err)
	}
	var found []oci.Image
	for _, owner := range owners {
		found = append(found, images(list, owner, n, ref)...)
	}
	return found, nil
}

// unlistedError says that what is attached to an image cannot be listed. That is a
// gap of its own: the image can be had.
func unlistedError(owners []oci.Image, n oci.Node, repo oci.Ref, err error) error {
	errs := make([]error, len(owners))
	for i, owner := range owners {
		what := "signatures of " + owner.Describe()
		img := oci.Image{Origin: owner.Origin, Source: repo.WithDigest(n.Descriptor.Digest), Subject: n.Descriptor.Digest, Path: owner.Path, Reasons: []oci.Reason{{Kind: oci.ReasonSignatures, Name: owner.Describe()}}}
		errs[i] = &oci.Gap{Image: img, Err: fmt.Errorf("%s: %w", what, err)}
	}
	return errors.Join(errs...)
}

// images makes inventory entries of attachments: they go where their owner goes.
func images(list []transport.Attachment, owner oci.Image, n oci.Node, repo oci.Ref) []oci.Image {
	out := make([]oci.Image, len(list))
	for i, a := range list {
		out[i] = oci.Image{Origin: owner.Origin, Source: repo.WithDigest(a.Root.Digest), Root: a.Root, Subject: n.Descriptor.Digest, Path: owner.Path,
			Reasons: []oci.Reason{{Kind: oci.ReasonAttached, Name: owner.Source.String()}}}
		if a.Tag != "" {
			out[i].Source, out[i].Tags = repo.WithTag(a.Tag), []string{a.Tag}
		}
	}
	return out
}

// owners are the images of that repository through which the node is carried,
// one for each path that they have in the mirror.
func (p *preparing) owners(n oci.Node, repo oci.Ref) []oci.Image {
	var list []oci.Image
	for _, i := range n.Images {
		img := p.inv.Images[i]
		same := func(o oci.Image) bool { return o.Path == img.Path }
		if img.Source.Repo() == repo && !slices.ContainsFunc(list, same) {
			list = append(list, img)
		}
	}
	return list
}
