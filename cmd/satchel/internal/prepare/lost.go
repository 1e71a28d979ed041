package prepare

import (
	"context"
	"errors"

	"github.com/satchel-airgap/satchel/oci"
)

// Lost makes a gap of every image that needs the node.
func (s *Set) Lost(ctx context.Context, n oci.Node, err error) error {
	errs := make([]error, len(n.Images))
	for i, image := range n.Images {
		img := s.Graph.Images[image]
		errs[i] = &oci.Gap{Image: img, Err: s.ofPart(ctx, img, n, err)}
	}
	return errors.Join(errs...)
}

// BlameLost is [Set.Blame] of what a source lost: it names the platforms too.
func (s *Set) BlameLost(ctx context.Context, n oci.Node, err error) error {
	if len(n.Images) > 0 {
		err = s.ofPart(ctx, s.Graph.Images[n.Images[0]], n, err)
	}
	return s.Blame(n, err)
}

// ofPart names the platforms that need the node, if others of the image do not.
func (s *Set) ofPart(ctx context.Context, img oci.Image, n oci.Node, err error) error {
	if img.Built || oci.IsManifest(n.Descriptor.MediaType) || !oci.IsIndex(img.Root.MediaType) {
		return err
	}
	repo, rerr := s.repository(img.Source)
	if rerr != nil {
		return err
	}
	platforms, rerr := oci.PlatformsWith(ctx, s.Cache.ReadThrough(repo), img, n.Descriptor.Digest)
	if rerr != nil || len(platforms) == 0 {
		return err
	}
	return &oci.PartError{Platforms: platforms, Err: err}
}
