package unpack

import (
	"cmp"
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

// withOthers adds to the images of the bundle those that earlier bundles brought and that a policy on
// the way of a cluster demands signatures of: of the release that it runs, which nodes go on pulling
// until they are updated, and of releases that its updates lead over. src has the indexes of all. why
// says what could not be looked at, "" for nothing.
func (u *unpacking) withOthers(ctx context.Context, c *manifests.Cluster) (inv *oci.Inventory, src oci.Source, why string, err error) {
	inv, src = u.r.Inventory(), u.src
	images, of, absent, err := u.runningImages(ctx, c)
	switch {
	case ctx.Err() != nil:
		return nil, nil, "", ctx.Err()
	case absent:
	case err != nil:
		why = fmt.Sprintf("images of the release that the cluster runs: %v", err)
	}
	earlier, err := manifests.EarlierImages(ctx, inv, u.src, c, u.earlierReleases())
	if err != nil {
		return nil, nil, "", err
	}
	for _, img := range earlier {
		img.Root = u.earlierAt[img.Root.Digest].root
		images = append(images, img)
	}
	if len(images) == 0 {
		return inv, src, why, nil
	}
	all := *inv
	all.Images = slices.Concat(inv.Images, images)
	return &all, oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if mirror := cmp.Or(of[d.Digest], u.earlierAt[d.Digest].src); mirror != nil {
			return mirror.Open(ctx, d, off)
		}
		return u.src.Open(ctx, d, off)
	}), why, nil
}

// runningImages are those of the release that a cluster runs and the bundle lacks, as far as the mirror
// has them and their signatures are demanded. absent says that nodes do not have it from this mirror.
func (u *unpacking) runningImages(ctx context.Context, c *manifests.Cluster) (images []oci.Image, of map[digest.Digest]oci.Source, absent bool, err error) {
	images, err = manifests.RunningImages(ctx, u.r.Inventory(), u.src, c, u.earlierReleases(), func(payload oci.Image) (root oci.Descriptor, from oci.Source, err error) {
		if u.Unasked || u.DryRun {
			return root, nil, errors.New("the mirror was not asked for it")
		}
		root, from, err = u.inMirrorNow(ctx, payload)
		absent = status(err) == http.StatusNotFound
		return root, from, err
	})
	if err == nil {
		images, of, err = u.resolved(ctx, images)
	}
	return images, of, absent, err
}

// findRunning asks the mirror for the releases that clusters run and the bundle lacks.
func (u *unpacking) findRunning(ctx context.Context) error {
	if u.Unasked || u.DryRun {
		return nil
	}
	found := map[digest.Digest]bool{}
	for _, c := range u.clusters() {
		img, ok := manifests.RunningPayload(c)
		if !ok || slices.ContainsFunc(u.r.Inventory().Images, func(have oci.Image) bool { return have.Root.Digest == img.Root.Digest }) {
			continue
		}
		_, _, err := u.inMirrorNow(ctx, img)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, status(err) == http.StatusNotFound:
			found[img.Root.Digest] = err == nil
		} // else the page says that it was not asked
	}
	u.Site.RunningInMirror = found
	return nil
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

// lookedAt is an image in the mirror, and where its content is.
type lookedAt struct {
	root oci.Descriptor
	src  oci.Source
}

// earlierReleases are those of earlier bundles whose signatures count. Without the mirror it is not
// known which these are.
func (u *unpacking) earlierReleases() []manifests.EarlierRelease {
	if u.Unasked || u.DryRun {
		return nil
	}
	return u.Site.EarlierReleases
}

// lookAtEarlier finds the images of earlier releases whose signatures are demanded. A release of which
// one cannot be looked at does not count for updates, and others may then be on the way.
func (u *unpacking) lookAtEarlier(ctx context.Context) error {
	if u.earlierAt == nil {
		u.earlierAt = map[digest.Digest]lookedAt{}
	}
	for again := true; again; {
		again = false
		for _, c := range u.clusters() {
			images, err := manifests.EarlierImages(ctx, u.r.Inventory(), u.src, c, u.earlierReleases())
			if err != nil {
				return err
			}
			left, err := u.lookAtSome(ctx, images)
			if err != nil {
				return err
			}
			again = again || left
		}
	}
	return nil
}

// lookAtSome finds images of earlier releases in the mirror, and reports whether one of these releases
// was left out.
func (u *unpacking) lookAtSome(ctx context.Context, images []oci.Image) (left bool, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, u.Parallel))
	found, wrong := make([]lookedAt, len(images)), make([]error, len(images))
	for i, img := range images {
		if _, known := u.earlierAt[img.Root.Digest]; !known {
			g.Go(func() error {
				found[i].root, found[i].src, wrong[i] = u.inMirrorNow(gctx, img)
				return ctx.Err()
			})
		}
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	for i, img := range images {
		switch {
		case wrong[i] != nil:
			name := img.Reasons[0].Name
			u.Site.EarlierReleases = slices.DeleteFunc(u.Site.EarlierReleases, func(e manifests.EarlierRelease) bool {
				is := e.Image.Reasons[0].Name == name
				if is {
					u.Warn("the release %s, which an earlier bundle brought, does not count for updates: its images cannot be looked at for signatures: %v", name, wrong[i])
				}
				left = left || is
				return is
			})
		case found[i].src != nil:
			u.earlierAt[img.Root.Digest] = found[i]
		}
	}
	return left, nil
}
