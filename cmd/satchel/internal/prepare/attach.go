package prepare

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// fallbackTag is the tag of a referrers index (OCI distribution-spec, "Referrers
// Tag Schema").
var fallbackTag = regexp.MustCompile(`^sha256-[0-9a-f]{64}$`)

// checkFallback refuses a referrers index that is named as an image: it would
// overwrite the one that the mirror builds from the referrers it gets.
func checkFallback(images []oci.Image) error {
	var errs []error
	for _, img := range images {
		if img.Subject == "" && fallbackTag.MatchString(img.Source.Tag) {
			errs = append(errs, &oci.UnsupportedError{What: "image " + img.Source.String(),
				Why: "it is the index of another image's referrers; name that image, and its referrers go along"})
		}
	}
	return errors.Join(errs...)
}

// maxAttached is how many attachments may be attached to each other in a row: a signature
// of a signature is one, and a registry may name more without end.
const maxAttached = 8

// attach adds what is attached to the images: signatures, attestations and other
// referrers of every manifest, and what is attached to those in turn.
func (s *Set) attach(ctx context.Context) error {
	asked := map[string]bool{}
	type place struct{ source, path string }
	carried := map[place]bool{}
	for _, img := range s.Graph.Images {
		carried[place{img.Source.String(), img.Path}] = true
	}
	for _, img := range s.Gaps.Images {
		if gaps.AllAttached(img) {
			continue
		}
		carried[place{img.Image.Source.String(), img.Image.Path}] = true // by name, and not available
	}
	for depth := 1; ; depth++ {
		found, err := s.attachments(ctx, asked)
		if err != nil {
			return err
		}
		s.dropOrphans()
		var images []oci.Image
		for _, img := range found {
			if at := (place{img.Source.String(), img.Path}); !carried[at] {
				carried[at] = true
				s.Debug("%s is attached to %s", img.Source, img.Subject)
				images = append(images, img)
			}
		}
		if images = s.withoutGone(ctx, images); len(images) == 0 {
			return nil
		}
		if depth > maxAttached {
			s.Warn("signatures and other referrers are attached to each other without an end: stopped at those of %s, which are not carried", images[0].Source)
			return nil
		}
		s.Info("found %s", text.Attached(len(images)))
		s.setImages(slices.Concat(s.Graph.Images, images))
		if err := s.readManifests(ctx); err != nil {
			return err
		}
	}
}

// attachments asks for what is attached to each manifest, in each repository
// that it is carried from, unless that was asked before.
func (s *Set) attachments(ctx context.Context, asked map[string]bool) ([]oci.Image, error) {
	type question struct {
		node oci.Node
		repo oci.Ref
	}
	var questions []question
	for _, n := range s.Graph.Manifests {
		for _, repo := range s.repos(n) {
			if key := repo.WithDigest(n.Descriptor.Digest).String(); !asked[key] && s.catalogs.of(repo) == nil {
				asked[key] = true
				questions = append(questions, question{n, repo})
			}
		}
	}
	answers := make([][]oci.Image, len(questions))
	refused := make([][]refusal, len(questions))
	errs := make([]error, len(questions))
	var g errgroup.Group
	g.SetLimit(s.ParallelImages)
	for i, q := range questions {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			answers[i], refused[i], errs[i] = s.attachedTo(ctx, q.node, q.repo)
			return nil
		})
	}
	_ = g.Wait() // each error is in its place in errs
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look for signatures: %w", err)
	}
	errs = append(errs, s.noteUnknown(slices.Concat(refused...)))
	return slices.Concat(answers...), s.tolerate(errors.Join(errs...))
}

func (s *Set) attachedTo(ctx context.Context, n oci.Node, ref oci.Ref) ([]oci.Image, []refusal, error) {
	owners := s.owners(n, ref)
	all, err := s.attachmentsOf(ctx, ref, n.Descriptor)
	if err != nil {
		return nil, nil, unlistedError(owners, n, ref, err)
	}
	if all.Stopped != "" {
		s.Warn("referrers of %s: the registry gives the same page again as the next one: stopped at %s", ref.WithDigest(n.Descriptor.Digest), all.Stopped)
	}
	for i, why := range all.Skipped {
		if i == maxOdd {
			s.Warn("referrers of %s: %s of the list in all are left out", ref.WithDigest(n.Descriptor.Digest), text.Count(len(all.Skipped), "entry", "entries"))
			break
		}
		s.Warn("referrers of %s: an entry of the list is left out: %s", ref.WithDigest(n.Descriptor.Digest), text.Joined(why.Error()))
	}
	var found []oci.Image
	for _, owner := range owners {
		found = append(found, images(all.List, owner, n, ref)...)
	}
	refused := make([]refusal, len(all.Unknown))
	for i, why := range all.Unknown {
		refused[i] = refusal{n, ref, why}
	}
	return found, refused, nil
}

// unlistedError says that what is attached to an image cannot be listed. That is a
// gap of its own: the image is available.
func unlistedError(owners []oci.Image, n oci.Node, repo oci.Ref, err error) error {
	errs := make([]error, len(owners))
	for i, owner := range owners {
		what := "signatures of " + owner.Describe()
		img := oci.Image{Origin: owner.Origin, Source: repo.WithDigest(n.Descriptor.Digest), Subject: n.Descriptor.Digest, Path: owner.Path, Reasons: []oci.Reason{{Kind: oci.ReasonSignatures, Name: owner.Describe()}}}
		errs[i] = &oci.Gap{Image: img, Err: fmt.Errorf("%s: %w", what, err)}
	}
	return errors.Join(errs...)
}

// images gives inventory entries of attachments: they go where their owner goes.
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
func (s *Set) owners(n oci.Node, repo oci.Ref) []oci.Image {
	var list []oci.Image
	for _, i := range n.Images {
		img := s.Graph.Images[i]
		same := func(o oci.Image) bool { return o.Path == img.Path }
		if img.Source.Repo() == repo && !slices.ContainsFunc(list, same) {
			list = append(list, img)
		}
	}
	return list
}
