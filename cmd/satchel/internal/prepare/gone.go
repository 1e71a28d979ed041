package prepare

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// withoutGone drops what a registry lists as attached, and does not have: lists that registries or
// tools keep are not always shortened where something is deleted. There is nothing to carry, and
// the image is whole. Other errors come when the manifests are read.
func (s *Set) withoutGone(ctx context.Context, images []oci.Image) []oci.Image {
	gone := make([]bool, len(images))
	var g errgroup.Group
	g.SetLimit(s.ParallelImages)
	for i, img := range images {
		if len(img.Tags) > 0 || s.carriedBefore(attachedKey(img.Source.WithDigest(img.Subject), oci.UnknownReferrers)) {
			continue
		}
		g.Go(func() error {
			src, err := s.manifestsOf(img)
			if err == nil {
				_, err = oci.ReadManifest(ctx, src, img.Root)
			}
			answer, ok := errors.AsType[*transport.RegistryError](err)
			gone[i] = ok && answer.Status == http.StatusNotFound
			return nil
		})
	}
	_ = g.Wait() // no error is returned
	for i, img := range images {
		if gone[i] {
			s.Warn("%s is listed as attached to %s, and the registry does not have it: %s is carried without it", img.Source, img.Subject, img.Source.Name())
		}
	}
	kept := images[:0:0]
	for i, img := range images {
		if !gone[i] {
			kept = append(kept, img)
		}
	}
	return slices.Clip(kept)
}
