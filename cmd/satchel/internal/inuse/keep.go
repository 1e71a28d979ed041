package inuse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Mirror is asked what it has. A *[transport.Mirror] is one.
type Mirror interface {
	Served(ctx context.Context, name oci.Ref) (oci.Descriptor, oci.Source, error)
}

// Question is what [Keep] is asked.
type Question struct {
	Clusters  *Clusters // nil: nothing says what clusters use
	NoCluster bool      // and nobody is to care
	Host      string    // of the mirror
	Receipts  []*receipt.Receipt
	Mirror    Mirror
}

// Images is what stays although nothing else may need it. Repositories are named whole,
// without the host.
type Images struct {
	digests map[place]string
	tags    map[tagged]string
	notes   []string
}

// Digest says why a manifest stays; "" where it may go.
func (k *Images) Digest(repo string, d digest.Digest) string { return k.digests[place{repo, d}] }

// Tag says why a tag stays, and whatever it names now; "" where it may go.
func (k *Images) Tag(repo, tag string) string { return k.tags[tagged{repo, tag}] }

// Notes is what is not known, a line each.
func (k *Images) Notes() []string { return k.notes }

// asking is what receipts and the mirror are asked by.
type asking struct {
	*facts
	host   string
	mirror Mirror
	kids   map[string][]parent // the indexes of a repository, once they were read
}

func newAsking(host string, list []*receipt.Receipt, mirror Mirror) *asking {
	return &asking{factsOf(list), host, mirror, map[string][]parent{}}
}

// keeping is one run of [Keep].
type keeping struct {
	Question
	*asking
	out  *Images
	done map[*image]bool        // releases
	live map[digest.Digest]bool // named by more than pods that have ended
	went map[oci.Origin]string  // why all images of an origin stay
}

// Keep finds out what stays. It only reads. What a registry does not say now and may say
// later is an error; what the mirror does not have, or is not what it should be, makes more
// stay.
func Keep(ctx context.Context, q Question) (*Images, error) {
	k := &keeping{Question: q, asking: newAsking(q.Host, q.Receipts, q.Mirror), out: &Images{digests: map[place]string{}, tags: map[tagged]string{}},
		done: map[*image]bool{}, live: map[digest.Digest]bool{}, went: map[oci.Origin]string{}}
	k.graphImage()
	switch {
	case q.NoCluster:
		k.note("nothing is known of what clusters use: what they run, which operators they have and to which releases they still want to update. What the kept bundles do not need goes, even if a cluster uses it")
	case q.Clusters == nil:
		const why = "nothing says which clusters use it"
		k.went[manifests.OriginRelease], k.went[manifests.OriginCatalog], k.went[manifests.OriginOperator] = why, why, why
		k.note("nothing says which clusters use this mirror: releases, catalogs and operators stay, and only other images go. Whether pods use those is not known either")
	default:
		if err := k.clusters(ctx); err != nil {
			return nil, err
		}
	}
	k.origins()
	k.attachments()
	return k.out, nil
}

func (k *keeping) note(format string, args ...any) {
	k.out.notes = append(k.out.notes, fmt.Sprintf(format, args...))
}

// mark has a manifest stay. The first reason counts.
func (k *keeping) mark(repo string, d digest.Digest, why string) {
	if at := (place{repo, d}); k.out.digests[at] == "" {
		k.out.digests[at] = why
	}
}

// everywhere has a manifest stay in each repository that has it.
func (k *keeping) everywhere(d digest.Digest, why string) {
	for _, repo := range k.manifests[d] {
		k.mark(repo, d, why)
	}
}

// named has stay what a reference names, and what its tag named before.
func (k *keeping) named(ref oci.Ref, before bool, why string) (found []digest.Digest) {
	if ref.Digest != "" {
		k.everywhere(ref.Digest, why)
		return []digest.Digest{ref.Digest}
	}
	for _, repo := range k.meant(k.Host, ref) {
		at := tagged{repo, ref.Tag}
		if k.out.tags[at] == "" {
			k.out.tags[at] = why
		}
		for i, d := range k.facts.tags[at] {
			if i == 0 || before {
				k.mark(repo, d, why)
				found = append(found, d)
			}
		}
	}
	return found
}

// graphImage has the graph image stay that its tags name now: update services name it.
func (k *keeping) graphImage() {
	const why = "the graph image"
	for at, list := range k.facts.tags {
		if k.graphs[at.repo] && at.tag != oci.DigestTag(list[0]) {
			k.mark(at.repo, list[0], why)
			k.out.tags[at] = why
		}
	}
}

// clusters has stay what files say.
func (k *keeping) clusters(ctx context.Context) error {
	k.out.notes = append(k.out.notes, k.Clusters.notes...)
	k.unknown()
	k.uses()
	if err := k.releasesOf(ctx); err != nil {
		return err
	}
	if err := k.operators(ctx); err != nil {
		return err
	}
	return k.parents(ctx)
}

// unknown has stay what the files that are missing would say.
func (k *keeping) unknown() {
	pods, versions, subscriptions := k.Clusters.knows()
	if !pods {
		const why = "no file says what pods of every cluster use"
		k.went[manifests.OriginRelease], k.went[manifests.OriginCatalog], k.went[manifests.OriginOperator] = why, why, why
		k.note("releases, catalogs and operators stay: there is no file with the pods of every cluster")
	}
	if !versions {
		k.went[manifests.OriginRelease] = "no file says which releases clusters run"
		k.note("releases stay: there is no file with a ClusterVersion")
	}
	if !subscriptions {
		const why = "no file says which operators every cluster has"
		k.went[manifests.OriginCatalog], k.went[manifests.OriginOperator] = why, why
		k.note("catalogs and operators stay: there is no file with the Subscriptions of every cluster")
	}
}

// uses has stay what objects name.
func (k *keeping) uses() {
	use := &k.Clusters.use
	for _, d := range slices.Sorted(maps.Keys(use.Digests)) {
		name := use.Digests[d]
		k.everywhere(digest.Digest(d), name.By)
		k.live[digest.Digest(d)] = k.live[digest.Digest(d)] || name.Live
	}
	for _, text := range slices.Sorted(maps.Keys(use.Tags)) {
		name := use.Tags[text]
		ref, err := oci.ParseRef(text)
		if err != nil {
			continue // none that a mirror has
		}
		for _, d := range k.named(ref, false, name.By) {
			k.live[d] = k.live[d] || name.Live
		}
	}
}

// origins has stay all images of those origins of which too little is known.
func (k *keeping) origins() {
	for _, img := range k.images {
		for _, origin := range []oci.Origin{manifests.OriginRelease, manifests.OriginCatalog, manifests.OriginOperator} {
			if why := k.went[origin]; why != "" && img.is(origin) {
				k.mark(img.repo, img.digest, why)
			}
		}
	}
}

// attachments has signatures and the like stay with what they are attached to.
func (k *keeping) attachments() {
	for more := true; more; {
		more = false
		for _, img := range k.images {
			if k.Digest(img.place) != "" || img.itself {
				continue
			}
			if slices.ContainsFunc(img.subjects, func(d digest.Digest) bool { return k.Digest(place{img.repo, d}) != "" }) {
				k.mark(img.repo, img.digest, "it is attached to what stays")
				more = true
			}
		}
	}
}

// Digest says why a manifest stays so far.
func (k *keeping) Digest(at place) string { return k.out.digests[at] }

// served gives what the mirror has of a manifest; no digest where it has none, or where what
// it has cannot be read at any time.
func (a *asking) served(ctx context.Context, at place) (oci.Descriptor, oci.Source, error) {
	d, src, err := a.mirror.Served(ctx, at.ref(a.host))
	if err != nil && isFinal(ctx, err) {
		return oci.Descriptor{}, nil, nil
	}
	return d, src, err
}

// isFinal reports whether the next try would end as this one.
func isFinal(ctx context.Context, err error) bool {
	var foreign *oci.UnsupportedError
	var wrong *oci.DigestError
	var lost *transport.MissingBlobError
	var answer *transport.RegistryError
	switch {
	case ctx.Err() != nil:
		return false
	case errors.As(err, &foreign), errors.As(err, &wrong), errors.As(err, &lost):
		return true
	}
	return errors.As(err, &answer) && answer.Permanent() && !answer.Everywhere()
}
