package manifests

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// The signatures that nodes demand of images.
type (
	// Unsigned is a manifest that nodes will refuse.
	Unsigned = sigstore.Unsigned
	// SignatureReport is what was found out about the signatures of images.
	SignatureReport = sigstore.Result
	// SignaturePlace gives the signatures that nodes find for a manifest of an image.
	SignaturePlace = sigstore.Where
	// ImageSignature is one signature as cosign stores it.
	ImageSignature = sigstore.Signature
	// RefusedSignatureError says that something is under the tag of signatures that nodes
	// cannot read.
	RefusedSignatureError = sigstore.UnusableError
)

// SignatureTag is the tag under which nodes look for the signatures of a manifest.
func SignatureTag(d digest.Digest) string { return sigstore.Tag(d) }

// ErrUnsigned says that an image has no signature at all.
var ErrUnsigned = sigstore.ErrNone

// ErrNoImage says that the image itself is not at a place where nodes look.
var ErrNoImage = sigstore.ErrAbsent

// CheckSignatures looks at the signature of each manifest that nodes demand one for, on the way
// of the cluster from what it runs to the newest release of the inventory. Each policy counts
// that one of those releases brings, or one of earlier bundles between them, and those of the
// cluster; state may be nil. src gives the content of the inventory, where the signatures.
func CheckSignatures(ctx context.Context, inv *oci.Inventory, src oci.Source, state *cluster.State, earlier []EarlierRelease, where SignaturePlace, parallel int) (*SignatureReport, error) {
	way, err := signatureWay(ctx, inv, src, state, earlier)
	if err != nil {
		return nil, err
	}
	found, err := sigstore.Check(ctx, way, inv.Images, src, where, parallel)
	if err == nil {
		found.Unchecked = text.Sorted(append(found.Unchecked, unreadPolicies(state)...))
	}
	return found, err
}

// RunningImages lists the images of the release that a cluster runs, where an inventory lacks it and
// policies on the way of the cluster demand signatures of them, each with its digest alone. inMirror
// finds its payload; it is not called where no policy is on the way. Errors are those of inMirror and of
// [ReadRelease].
func RunningImages(ctx context.Context, inv *oci.Inventory, src oci.Source, state *cluster.State, earlier []EarlierRelease, inMirror func(payload oci.Image) (oci.Descriptor, oci.Source, error)) ([]oci.Image, error) {
	img, ok := RunningPayload(state)
	if !ok || slices.ContainsFunc(inv.Images, func(have oci.Image) bool { return have.Root.Digest == img.Root.Digest }) {
		return nil, nil
	}
	way, err := signatureWay(ctx, inv, src, state, earlier)
	if err != nil || !slices.ContainsFunc(way.Stages, func(s sigstore.Stage) bool { return len(s.Policies) > 0 }) {
		return nil, err
	}
	root, from, err := inMirror(img)
	if err != nil {
		return nil, err
	}
	read, err := ReadRelease(ctx, from, root)
	if err != nil {
		return nil, err
	}
	list := imagesOfRelease(img, read, origin.NameRunning(read.Version))
	return slices.DeleteFunc(list, func(img oci.Image) bool { return !way.Demands(img) }), nil
}

// EarlierImages lists the images of releases of earlier bundles that the updates of a cluster lead
// over, as far as policies on its way demand signatures of them, each with its digest alone.
func EarlierImages(ctx context.Context, inv *oci.Inventory, src oci.Source, state *cluster.State, earlier []EarlierRelease) (list []oci.Image, err error) {
	if len(earlier) == 0 {
		return nil, nil
	}
	facts, err := ReadPayloadFacts(ctx, inv, src)
	if err != nil {
		return nil, err
	}
	way, err := signatureWay(ctx, inv, src, state, earlier)
	if err != nil {
		return nil, err
	}
	for _, e := range earlierOnWay(state, facts, earlier) {
		for _, img := range append([]oci.Image{e.Image}, e.Images...) {
			if way.Demands(img) {
				list = append(list, img)
			}
		}
	}
	return list, nil
}

// earlierOnWay are the releases of earlier bundles that updates of a cluster to the releases of this
// bundle lead over, of each architecture.
func earlierOnWay(state *cluster.State, facts []PayloadFacts, earlier []EarlierRelease) (list []EarlierRelease) {
	running, known := state.Running()
	onWay := map[digest.Digest]bool{}
	for _, of := range facts {
		var own, all []updatepath.Release
		for _, f := range facts {
			if f.Architecture == of.Architecture {
				own = append(own, site.UpdateRelease(&f))
			}
		}
		byVersion := func(a, b updatepath.Release) int { return origin.CompareReleases(a.Version, b.Version) }
		newest, from := slices.MaxFunc(own, byVersion), slices.MinFunc(own, byVersion).Version
		if known {
			from = running
		}
		all = own
		for _, e := range earlier {
			if e.Facts.Architecture == of.Architecture && origin.CompareReleases(e.Facts.Version, newest.Version) < 0 {
				all = append(all, site.UpdateRelease(&e.Facts))
			}
		}
		steps, _ := updatepath.Find(from, all)
		for _, e := range earlier {
			if e.Facts.Architecture == of.Architecture && slices.ContainsFunc(steps, func(s updatepath.Step) bool { return s.To.EQ(e.Facts.Version) }) {
				onWay[e.Facts.Payload] = true
			}
		}
	}
	for _, e := range earlier {
		if onWay[e.Facts.Payload] {
			list = append(list, e)
		}
	}
	return list
}

// RunningPayload is the payload that a cluster wants to run, as its ClusterVersion names it, with its
// place in a mirror; ok is false where that is not known.
func RunningPayload(state *cluster.State) (img oci.Image, ok bool) {
	var cv struct {
		Status struct {
			Desired struct {
				Image string `json:"image"`
			} `json:"desired"`
		} `json:"status"`
	}
	one, ok := state.One("ClusterVersion", "", "version")
	if !ok || json.Unmarshal(one.Body, &cv) != nil {
		return oci.Image{}, false
	}
	ref, err := oci.ParseRef(cv.Status.Desired.Image)
	if err != nil || ref.Digest == "" {
		return oci.Image{}, false
	}
	return oci.Image{Origin: origin.Release, Source: ref, Path: origin.PathPayload, Root: oci.Descriptor{Digest: ref.Digest}}, true
}

// CarriedSignatures gives the signatures that are among images.
func CarriedSignatures(images []oci.Image, src oci.Source) SignaturePlace {
	return sigstore.Carried(images, src)
}

// ReadImageSignatures reads what is under the tag of signatures, as strictly as nodes do.
func ReadImageSignatures(ctx context.Context, d oci.Descriptor, src oci.Source) ([]ImageSignature, error) {
	return sigstore.Read(ctx, d, src)
}

func signatureWay(ctx context.Context, inv *oci.Inventory, src oci.Source, state *cluster.State, earlier []EarlierRelease) (*sigstore.Way, error) {
	facts, err := ReadPayloadFacts(ctx, inv, src)
	if err != nil {
		return nil, err
	}
	releases, err := policiesOfReleases(ctx, inv, src, facts)
	if err != nil {
		return nil, err
	}
	for _, e := range earlierOnWay(state, facts, earlier) {
		releases = append(releases, sigstore.Release{Version: e.Facts.Version, Policies: bodies(e.Facts.Policies)})
	}
	running, _ := state.Running()
	present, err := presentPolicies(state)
	if err != nil {
		return nil, err
	}
	way, err := sigstore.WayOf(running, present, releases, hosted(state))
	if err == nil && state.Applications() {
		way.Uses = usersOf(state)
	}
	return way, err
}

// SignaturePolicies is what demands signatures of images that a mirror has already.
type SignaturePolicies struct {
	Cluster  *Cluster         // its own policies; nil: not known
	Releases []EarlierRelease // that the mirror has: those that the cluster may get bring theirs
	More     []json.RawMessage
}

// Any reports whether there is a policy at all.
func (p SignaturePolicies) Any() bool {
	for _, r := range p.Releases {
		if len(r.Facts.Policies) > 0 {
			return true
		}
	}
	return len(p.More) > 0 || len(p.Cluster.Of(sigstore.KindCluster))+len(p.Cluster.Of(sigstore.KindNamespace)) > 0
}

// ParseSignaturePolicies reads ClusterImagePolicy and ImagePolicy objects, as oc prints them or as they
// are written to be applied. Errors are *[ConfigError]s.
func ParseSignaturePolicies(file string, data []byte) ([]json.RawMessage, error) {
	list, err := site.ParseObjects(file, data, sigstore.KindCluster, sigstore.KindNamespace)
	if err != nil {
		return nil, err
	}
	for _, body := range list {
		if _, err := sigstore.Parse(body); err != nil {
			return nil, &ConfigError{File: file, Line: 1, Column: 1, Msg: err.Error()}
		}
	}
	return list, nil
}

// CheckServedSignatures looks at the signature of each manifest of images that nodes demand one for, by
// all of these policies. src gives the indexes of the images, where the signatures.
func CheckServedSignatures(ctx context.Context, p SignaturePolicies, images []oci.Image, src oci.Source, where SignaturePlace, parallel int) (*SignatureReport, error) {
	present, err := presentPolicies(p.Cluster)
	if err != nil {
		return nil, err
	}
	for _, body := range p.More {
		one, err := sigstore.Parse(body)
		if err != nil {
			return nil, err
		}
		present.Policies = append(present.Policies, one)
	}
	var releases []sigstore.Release
	for _, r := range p.Releases {
		releases = append(releases, sigstore.Release{Version: r.Facts.Version, Policies: bodies(r.Facts.Policies)})
	}
	running, _ := p.Cluster.Running()
	way, err := sigstore.WayOf(running, present, releases, hosted(p.Cluster))
	if err != nil {
		return nil, err
	}
	if p.Cluster.Applications() {
		way.Uses = usersOf(p.Cluster)
	}
	found, err := sigstore.Check(ctx, way, images, src, where, parallel)
	if err == nil {
		found.Unchecked = text.Sorted(append(found.Unchecked, unreadPolicies(p.Cluster)...))
	}
	return found, err
}

// usersOf tells which namespaces have pods, or what would run some, of images of a repository.
func usersOf(state *cluster.State) func(namespace, repository string) bool {
	type user struct{ namespace, repository string }
	users := map[user]bool{}
	for _, u := range state.Images {
		if ref, err := oci.ParseRef(u.Image); err == nil {
			users[user{u.Namespace, ref.Name()}] = true
		}
	}
	return func(namespace, repository string) bool { return users[user{namespace, repository}] }
}

// UnsignedOf puts together what nodes of several clusters refuse, each once. What not all of them
// refuse is for those clusters alone.
func UnsignedOf(clusters []*Cluster, refused [][]Unsigned) (list []Unsigned) {
	by := map[int][]int{} // places of clusters, by the place in the list
	for c, some := range refused {
		for _, u := range some {
			i := slices.IndexFunc(list, func(have Unsigned) bool {
				return have.Manifest == u.Manifest && have.Image.Source == u.Image.Source && have.Image.Path == u.Image.Path && have.Policy == u.Policy
			})
			if i < 0 {
				i, list = len(list), append(list, u)
			}
			list[i].Unused = list[i].Unused && u.Unused
			if clusters[c] != nil && !slices.Contains(by[i], c) {
				by[i] = append(by[i], c)
			}
		}
	}
	for i := range list {
		if len(by[i]) < len(clusters) {
			for _, c := range by[i] {
				list[i].Clusters = append(list[i].Clusters, clusters[c].Name)
			}
		}
	}
	return list
}

// policiesOfReleases gives the policies that each payload of an inventory brings. Bundles of
// earlier versions have them only in the payloads themselves.
func policiesOfReleases(ctx context.Context, inv *oci.Inventory, src oci.Source, facts []PayloadFacts) (list []sigstore.Release, err error) {
	for _, f := range facts {
		list = append(list, sigstore.Release{Version: f.Version, Policies: bodies(f.Policies)})
	}
	if _, ok := inv.Document(documents.DocumentPayloads); ok {
		return list, nil
	}
	for _, img := range inv.Images {
		if img.Origin != origin.Release || img.Path != origin.PathPayload || img.Subject != "" || len(img.Tags) == 0 {
			continue
		}
		tag, ok := origin.ParseReleaseTag(img.Tags[0])
		if !ok || tag.Version.LT(semver.Version{Major: 4, Minor: 18}) { // no older one has the kind
			continue
		}
		f, err := payload.Manifests(ctx, src, img.Root)
		if err != nil {
			return nil, fmt.Errorf("read the signature policies of release %s: %w", img.Tags[0], err)
		}
		list = append(list, sigstore.Release{Version: tag.Version, Policies: bodies(f.Policies)})
	}
	return list, nil
}

func bodies(policies []payload.Policy) (list []json.RawMessage) {
	for _, p := range policies {
		list = append(list, p.Body)
	}
	return list
}

// presentPolicies are those of the cluster, as far as they were read.
func presentPolicies(state *cluster.State) (present sigstore.Present, err error) {
	if state == nil {
		return present, nil
	}
	present.Whole = state.Known(sigstore.KindCluster)
	for _, kind := range []string{sigstore.KindCluster, sigstore.KindNamespace} {
		for _, o := range state.Of(kind) {
			p, err := sigstore.Parse(o.Body)
			if err != nil {
				return present, fmt.Errorf("cluster %s: %w", state.Name, err)
			}
			present.Policies = append(present.Policies, p)
		}
	}
	return present, nil
}

// unreadPolicies names the kinds of policies that a cluster may have others of than were read.
func unreadPolicies(state *cluster.State) (list []string) {
	if state == nil || state.Use == nil { // no objects were given
		return nil
	}
	running, known := state.Running()
	seen := state.Seen(sigstore.KindCluster) || state.Seen(sigstore.KindNamespace)
	if !seen && (!known || running.LT(semver.Version{Major: 4, Minor: 20})) { // no older one has the kinds by itself
		return nil
	}
	for kind, where := range map[string]string{sigstore.KindCluster: "they were not all read", sigstore.KindNamespace: "they were not read of all namespaces"} {
		if !state.Known(kind) {
			list = append(list, fmt.Sprintf("other %s objects that the cluster %s may have: %s", kind, text.Printable(state.Name), where))
		}
	}
	return list
}

// hosted reports whether the control plane of a cluster runs in another one.
func hosted(state *cluster.State) bool {
	o, _ := state.One("Infrastructure", "", "cluster")
	var infrastructure struct {
		Status struct {
			Topology string `json:"controlPlaneTopology"`
		} `json:"status"`
	}
	return json.Unmarshal(o.Body, &infrastructure) == nil && strings.EqualFold(infrastructure.Status.Topology, "External")
}
