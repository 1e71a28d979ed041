package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// withRunning adds to the images of the bundle those of the release that a cluster runs, where an
// earlier bundle brought it and a policy on the way demands signatures of them: nodes go on pulling
// them until they are updated. src has the indexes of all. why says what could not be looked at, "" for
// nothing.
func (u *unpacking) withRunning(ctx context.Context, c *manifests.Cluster) (inv *oci.Inventory, src oci.Source, why string, err error) {
	inv, src = u.r.Inventory(), u.src
	absent := false // nodes do not have the release from this mirror
	images, err := manifests.RunningImages(ctx, inv, u.src, c, func(payload oci.Image) (root oci.Descriptor, from oci.Source, err error) {
		if u.Unasked || u.DryRun {
			return root, nil, errors.New("the mirror was not asked for it")
		}
		root, from, err = u.inMirrorNow(ctx, payload)
		absent = status(err) == http.StatusNotFound
		return root, from, err
	})
	var of map[digest.Digest]oci.Source
	if err == nil {
		images, of, err = u.resolved(ctx, images)
	}
	switch {
	case ctx.Err() != nil:
		return nil, nil, "", ctx.Err()
	case absent:
		return inv, src, "", nil
	case err != nil:
		return inv, src, fmt.Sprintf("images of the release that the cluster runs: %v", err), nil
	case len(images) == 0:
		return inv, src, "", nil
	}
	all := *inv
	all.Images = slices.Concat(inv.Images, images)
	return &all, oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if mirror := of[d.Digest]; mirror != nil {
			return mirror.Open(ctx, d, off)
		}
		return u.src.Open(ctx, d, off)
	}), "", nil
}

// inMirrorNow finds an image in the mirror by its digest.
func (u *unpacking) inMirrorNow(ctx context.Context, img oci.Image) (oci.Descriptor, oci.Source, error) {
	return u.client.Resolve(ctx, u.Site.Mirror.Repo(img).WithDigest(img.Root.Digest))
}

// resolved finds images in the mirror, and gives a source of each. What is not there is left out.
func (u *unpacking) resolved(ctx context.Context, images []oci.Image) (list []oci.Image, of map[digest.Digest]oci.Source, err error) {
	roots, sources := make([]oci.Descriptor, len(images)), make([]oci.Source, len(images))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, u.Parallel))
	for i, img := range images {
		g.Go(func() (err error) {
			roots[i], sources[i], err = u.inMirrorNow(gctx, img)
			if status(err) == http.StatusNotFound {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	of = map[digest.Digest]oci.Source{}
	for i, img := range images {
		if roots[i].Digest == "" {
			continue
		}
		img.Root = roots[i]
		list, of[img.Root.Digest] = append(list, img), sources[i]
	}
	return list, of, nil
}
