package unpack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// recallReleases finds the releases that earlier bundles brought into the mirror and that it still
// has, as far as an update to a release of this bundle may lead over them. What the mirror does not
// give, or has no longer whole, does not count.
func (u *unpacking) recallReleases(ctx context.Context) error {
	low, high, ok := u.updateRange()
	if !ok || u.Unasked {
		return nil
	}
	if err := u.readReceipts(ctx); err != nil {
		return err
	}
	list, has := u.earlierPayloads(low, high)
	for _, img := range list {
		one, err := u.earlierRelease(ctx, img, has)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case status(err) == http.StatusNotFound: // it was deleted
		case unanswered(err): // nor will it be for the rest
			u.Warn("releases that earlier bundles brought do not count for updates: %v", err)
			return nil
		case err != nil:
			u.Warn("the release %s, which an earlier bundle brought, does not count for updates: %v", img.Tags[0], err)
		default:
			u.Site.EarlierReleases = append(u.Site.EarlierReleases, *one)
		}
	}
	return nil
}

// unanswered reports whether a registry gave no answer at all.
func unanswered(err error) bool {
	var none *transport.RegistryError
	return errors.As(err, &none) && none.Status == 0
}

// updateRange is what an update to a release of this bundle may lead over: what is newer than the
// oldest release that a cluster runs, or that the bundle has, and older than the newest of the bundle.
// ok is false for a bundle without releases.
func (u *unpacking) updateRange() (low, high manifests.Version, ok bool) {
	lower := func(v manifests.Version) {
		if !ok || manifests.CompareReleases(v, low) < 0 {
			low = v
		}
	}
	for _, r := range manifests.Releases(u.r.Inventory()) {
		if v, is := manifests.ReleaseVersion(r.Name); is {
			if lower(v); !ok || manifests.CompareReleases(v, high) > 0 {
				high = v
			}
			ok = true
		}
	}
	for _, c := range u.clusters() {
		if v, known := c.Running(); ok && known {
			lower(v)
		}
	}
	return low, high, ok
}

// earlierPayloads lists the payloads between two versions that receipts of other bundles name, and
// everything that these brought.
func (u *unpacking) earlierPayloads(low, high manifests.Version) (list []oci.Image, has map[digest.Digest]bool) {
	at := func(path string) string { return u.Site.Mirror.Repo(oci.Image{Path: path}).Repository }
	repo, known := at(manifests.PathRelease), map[string]bool{}
	has = map[digest.Digest]bool{}
	if repo == at(manifests.PathComponents) { // one repository for all: what is a payload is not told by it
		return nil, nil
	}
	for _, one := range u.receipts.history.Done { // the newest first
		if one.Head.Bundle == u.bundle {
			continue
		}
		r, err := one.Load()
		if err != nil {
			u.Warn("the releases that bundle %s brought do not count for updates: %v", one.Head.Bundle, err)
			continue
		}
		source := sourceOf(r, repo)
		for _, img := range r.Images {
			has[img.Digest] = true
			if source == "" || img.Repo != repo || img.Subject != "" {
				continue
			}
			for _, tag := range img.Tags {
				v, is := manifests.ReleaseVersion(tag.Name)
				if !is || known[tag.Name] || manifests.CompareReleases(v, low) <= 0 || manifests.CompareReleases(v, high) >= 0 {
					continue
				}
				ref, err := oci.ParseRef(source + "@" + img.Digest.String())
				if err != nil {
					continue // what no source has
				}
				known[tag.Name] = true
				list = append(list, oci.Image{Source: ref, Path: manifests.PathRelease, Tags: []string{tag.Name}, Root: oci.Descriptor{Digest: img.Digest}})
			}
		}
	}
	return list, has
}

// sourceOf is the repository that the images in one of the mirror come from; "" where that is not one.
func sourceOf(r *receipt.Receipt, repo string) string {
	i := slices.IndexFunc(r.Repositories, func(one receipt.Repository) bool { return one.Name == repo })
	if i < 0 || len(r.Repositories[i].Sources) != 1 {
		return ""
	}
	return r.Repositories[i].Sources[0].Name
}

// earlierRelease reads a payload in the mirror.
func (u *unpacking) earlierRelease(ctx context.Context, img oci.Image, has map[digest.Digest]bool) (*manifests.EarlierRelease, error) {
	root, src, err := u.inMirrorNow(ctx, img)
	if err != nil {
		return nil, err
	}
	img.Root = root
	one, err := manifests.ReadEarlierRelease(ctx, src, img)
	if err != nil {
		return nil, err
	}
	lacks := 0
	for _, part := range one.Images {
		if !has[part.Root.Digest] {
			lacks++
		}
	}
	if lacks > 0 {
		return nil, fmt.Errorf("no receipt says that the mirror has %d of its %d images", lacks, len(one.Images))
	}
	return one, nil
}
