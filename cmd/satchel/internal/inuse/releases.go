package inuse

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
)

// releasesOf has stay the releases that clusters run or want, each whole.
func (k *keeping) releasesOf(ctx context.Context) error {
	for _, r := range k.Clusters.use.Releases {
		why := fmt.Sprintf("release %s of %s (%s)", nameOf(r), r.From, r.Why)
		found := k.payloads(r.Version, digest.Digest(r.Digest))
		for _, img := range found {
			if err := k.release(ctx, img, why); err != nil {
				return err
			}
		}
		if len(found) > 0 || r.Why == "before" {
			continue
		}
		ok, err := k.strange(ctx, digest.Digest(r.Digest), why)
		if err != nil {
			return err
		}
		if !ok && k.went[manifests.OriginRelease] == "" {
			k.went[manifests.OriginRelease] = "no receipt has the " + why + ", so nobody knows its images"
			k.note("all images of releases stay: no receipt has the %s", why)
		}
	}
	if err := k.aroundVersions(ctx); err != nil {
		return err
	}
	for _, d := range slices.Sorted(maps.Keys(k.live)) {
		if !k.live[d] {
			continue // a pod that has ended needs no whole release
		}
		for _, img := range k.payloads("", d) {
			if err := k.release(ctx, img, "a part of a release that "+k.Digest(img.place)+" uses"); err != nil {
				return err
			}
		}
	}
	return nil
}

// aroundVersions has stay what a version alone does not rule out: a newer release that the cluster
// wants, and those of the two minor versions before, which nodes of a paused pool may have.
func (k *keeping) aroundVersions(ctx context.Context) error {
	for _, runs := range k.Clusters.files.Versions {
		k.note("--cluster-version %s says which release runs, and not which one is wanted or which ones nodes of paused pools have: newer releases stay, and so do those of the two minor versions before (--from-cluster says it)", runs)
		why := fmt.Sprintf("a release that a cluster with %s may want or have", runs)
		for _, img := range k.images {
			if !k.isPayload(img) || !slices.ContainsFunc(img.tags, func(tag string) bool { return near(tag, runs) }) {
				continue
			}
			if err := k.release(ctx, img, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// near reports whether a tag is that of a newer release than the one that runs, or of one of the
// two minor versions before.
func near(tag string, runs manifests.Version) bool {
	v, ok := manifests.ReleaseVersion(tag)
	if !ok || manifests.CompareReleases(v, runs) > 0 {
		return ok
	}
	n, ok := manifests.MinorsBetween(v, runs)
	return ok && n > 0 && n <= 2
}

func nameOf(r manifests.ClusterRelease) string {
	if r.Version != "" {
		return r.Version
	}
	return r.Digest
}

// release has stay a release with its components: those that receipts name by its tags, and
// those that its payload names.
func (k *keeping) release(ctx context.Context, payload *image, why string) error {
	if k.done[payload] {
		return nil
	}
	k.done[payload] = true
	k.mark(payload.repo, payload.digest, why)
	for _, img := range k.components(payload) {
		k.mark(img.repo, img.digest, why)
	}
	read, err := k.contents(ctx, payload.place, why)
	if err == nil && !read {
		k.note("the mirror does not give the payload of the %s: what receipts name of it stays", why)
	}
	return err
}

// contents has stay what a payload in the mirror names.
func (k *keeping) contents(ctx context.Context, at place, why string) (read bool, err error) {
	root, src, err := k.served(ctx, at)
	if err != nil || root.Digest == "" {
		return false, err
	}
	r, err := manifests.ReadRelease(ctx, src, root)
	switch {
	case err != nil && isFinal(ctx, err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the release %s: %w", at.ref(k.Host), err)
	}
	for _, c := range r.Components {
		k.everywhere(c.Image.Digest, why)
	}
	return true, nil
}

// strange looks for a release that no receipt names: another tool may have put it there.
func (k *keeping) strange(ctx context.Context, d digest.Digest, why string) (found bool, err error) {
	if d == "" {
		return false, nil
	}
	for repo := range k.releases {
		ok, err := k.contents(ctx, place{repo, d}, why)
		if err != nil {
			return false, err
		}
		found = found || ok
	}
	return found, nil
}
