package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// maxUnsigned is how many images without a signature are reported one by one.
const maxUnsigned = 10

// Demanded notes as gaps the signatures that nodes demand now and that are missing or wrong, for a
// set that has been through [Set.Pin] alone.
func (s *Set) Demanded(ctx context.Context) error { return s.checkSigned(ctx) }

// checkSigned notes as gaps the signatures that nodes demand of images, and that are missing or
// wrong. The images stay: with an older policy, nodes take them.
func (s *Set) checkSigned(ctx context.Context) error {
	inv := s.Inventory()
	inv.Images = append(inv.Images, s.listedUnsigned()...)
	src := s.carriedContent()
	clusters := s.Clusters
	if len(clusters) == 0 {
		clusters = []*manifests.Cluster{nil}
	}
	refused := make([][]manifests.Unsigned, len(clusters))
	for i, c := range clusters {
		found, err := manifests.CheckSignatures(ctx, inv, src, c, nil, lastingAsRefused(manifests.CarriedSignatures(inv.Images, src)), s.ParallelBlobs)
		if err != nil {
			return err
		}
		for _, why := range found.Unchecked {
			s.Warn("satchel cannot check the signatures for %s", text.Joined(why))
		}
		refused[i] = found.Unsigned
	}
	s.unsigned = manifests.UnsignedOf(clusters, refused)
	s.tellUnsigned()
	return nil
}

// tellUnsigned reports those images. One that no pod of a namespace with a policy uses yet is no
// gap: it may never be one of theirs.
func (s *Set) tellUnsigned() {
	n, unused, some := 0, 0, false
	for _, u := range s.unsigned {
		if u.Unused {
			if unused++; unused <= maxUnsigned {
				s.Warn("%s", text.Joined(unsignedGap(u).Error()))
			}
			continue
		}
		if !s.Gaps.Add(unsignedGap(u)) {
			continue
		}
		some = some || !u.Everywhere()
		if n++; n <= maxUnsigned {
			s.Warn("gap: %s", text.Joined(unsignedGap(u).Error()))
		}
	}
	if n > maxUnsigned {
		s.Warn("gap: the signatures of %d more images are missing or wrong; the gap list has all", n-maxUnsigned)
	}
	if unused > maxUnsigned {
		s.Warn("the signatures of %d more images are missing or wrong, which pods of a namespace may come to use", unused-maxUnsigned)
	}
	if len(s.unsigned) > 0 {
		s.rendered = nil
	}
	if n > 0 {
		rules := "no rule will lead nodes to them before their signatures are in the mirror"
		if some {
			rules = "rules will lead nodes to those that some pods or clusters alone refuse, because the others need them, and to none of the rest before their signatures are in the mirror"
		}
		s.Warn("nodes refuse an image whose signature is missing or wrong, as soon as the policy that demands it is in force. The images are carried; %s", rules)
	}
}

// unsignedGap is the signature of an image as a gap.
func unsignedGap(u manifests.Unsigned) *oci.Gap {
	what := u.Image.Describe()
	if u.Platform != "" {
		what += " for " + u.Platform
	}
	why := u.Err
	if errors.Is(why, manifests.ErrUnsigned) {
		why = fmt.Errorf("its repository has no tag %s", manifests.SignatureTag(u.Manifest))
	}
	img := oci.Image{
		Origin: u.Image.Origin, Source: u.Image.Source.Repo().WithDigest(u.Manifest), Subject: u.Manifest, Path: u.Image.Path,
		Reasons: []oci.Reason{manifests.ReasonDemanded(what)},
	}
	whose := ""
	if who := u.For(); who != "" {
		whose = " for " + who
	}
	return &oci.Gap{Image: img, Err: fmt.Errorf("%s demands a Sigstore signature%s (%s): %w", u.Policy, whose, u.When, why)}
}

// lastingAsRefused makes a wrong signature of one that its source will never give.
func lastingAsRefused(where manifests.SignaturePlace) manifests.SignaturePlace {
	return func(ctx context.Context, img oci.Image, d digest.Digest) ([]manifests.ImageSignature, error) {
		list, err := where(ctx, img, d)
		var refused *manifests.RefusedSignatureError
		if err != nil && !errors.As(err, &refused) && Permanent(err) {
			err = &manifests.RefusedSignatureError{Why: err.Error()}
		}
		return list, err
	}
}

// listedUnsigned are the images whose signatures are to be carried now: a bundle has them.
func (s *Set) listedUnsigned() (list []oci.Image) {
	if s.Only == nil {
		return nil
	}
	for _, g := range s.Only.Images {
		if manifests.IsDemanded(g) {
			root := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: g.Image.Subject, Size: 1}
			list = append(list, oci.Image{Origin: manifests.OriginRelease, Source: g.Image.Source, Root: root, Path: g.Image.Path})
		}
	}
	return list
}

// carriedContent gives the content of all that is carried, by digest.
func (s *Set) carriedContent() oci.Source {
	nodes := map[digest.Digest]oci.Node{}
	for _, list := range [][]oci.Node{s.Graph.Blobs, s.Graph.Manifests} {
		for _, n := range list {
			nodes[n.Descriptor.Digest] = n
		}
	}
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		n, ok := nodes[d.Digest]
		if !ok { // of a document
			return s.Built().Open(ctx, d, off)
		}
		return s.Cache.ReadThrough(s.Source(n)).Open(ctx, d, off)
	})
}
