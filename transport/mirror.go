package transport

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/satchel-airgap/satchel/oci"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Mirror is the target registry with its naming rule. It is safe for concurrent use.
type Mirror struct {
	client   *Client
	target   oci.Mirror
	parallel int
	sent     sent

	left leftOut

	// Verify says what is asked for, Optional which images may be left out where the
	// mirror does not take them; nil: none. Set both before the first call.
	Verify   Verify
	Optional func(oci.Image) bool
}

// Verify is how closely what the mirror has is looked at.
type Verify int

// How closely.
const (
	VerifySizes     Verify = iota // manifests, and every blob by its last byte
	VerifyFull                    // as VerifySizes; the caller also calls ReadBack
	VerifyManifests               // manifests alone: one that is there is proof of its blobs
)

// NewMirror makes the mirror at target, with at most parallel requests or
// uploads at a time (at least one).
func NewMirror(c *Client, target oci.Mirror, parallel int) *Mirror {
	return &Mirror{client: c, target: target, parallel: max(1, parallel)}
}

// Delivery is one blob that the mirror lacks, and where.
type Delivery struct {
	Blob  oci.Descriptor
	Repos []oci.Ref // repositories of the mirror without it; uploaded into the first, mounted into the rest
	From  oci.Ref   // a repository of the mirror that has it, to be mounted from; zero if none is known

	Optional []oci.Image // that alone need it, if all of them may be left out

	// Fault is what the first repository has instead, where [Mirror.ReadBack] has found
	// that out; "" if nothing is there.
	Fault string
}

// Missing is what the mirror lacks of an inventory.
type Missing struct {
	Images  []oci.Image // whose manifests or tags are not all there, in the inventory's order
	Blobs   []Delivery  // what is not there, or not whole, by digest
	Present int         // images whose manifests and tags are there
}

// Missing looks for the inventory in the mirror. It only reads: one HEAD for
// each tag and for each manifest that an index names, and one GET of a byte for each
// blob in each repository that needs it; with [VerifyManifests] only for blobs of images
// that are not there. An index alone proves nothing: it may be there with fewer
// platforms. Nor does a HEAD of a blob, see [Mirror.Verify]. src gives the manifests. What the
// registry refuses to answer counts as missing: [Mirror.Probe] finds out why, for
// all repositories at once. Errors are of type *[RegistryError], or those of src.
func (m *Mirror) Missing(ctx context.Context, src oci.Source, inv *oci.Inventory) (*Missing, error) {
	absent, err := m.absent(ctx, src, inv.Images)
	if err != nil {
		return nil, err
	}
	missing := &Missing{Images: absent, Present: len(inv.Images) - len(absent)}
	asked := inv.Images
	if m.Verify == VerifyManifests {
		asked = absent
	}
	from := func(oci.Image) (oci.Source, error) { return src, nil }
	graph, err := oci.ReadGraph(ctx, asked, from, m.parallel)
	if err != nil {
		return nil, err
	}
	missing.Blobs, err = m.findMissing(ctx, graph.Blobs, asked)
	return missing, err
}

// absent lists the images that some tag of theirs does not name, or some manifest
// of which is not there. Refusals count as absence.
func (m *Mirror) absent(ctx context.Context, src oci.Source, images []oci.Image) ([]oci.Image, error) {
	return m.lacking(ctx, images, func(ctx context.Context, img oci.Image) (bool, error) {
		has, err := m.hasImage(ctx, src, img, func(ctx context.Context, r *Repository) context.Context { return r.toPush(ctx) })
		return has, unlessRefused(err)
	})
}

func (m *Mirror) lacking(ctx context.Context, images []oci.Image, has func(context.Context, oci.Image) (bool, error)) ([]oci.Image, error) {
	gaps := make([]bool, len(images))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for i, img := range images {
		g.Go(func() error {
			there, err := has(ctx, img)
			gaps[i] = !there
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []oci.Image
	for i, img := range images {
		if gaps[i] {
			list = append(list, img)
		}
	}
	return list, nil
}

// unlessRefused leaves refusals to the probe.
func unlessRefused(err error) error {
	if refuses(err) {
		return nil
	}
	return err
}

func (m *Mirror) hasImage(ctx context.Context, src oci.Source, img oci.Image, asking func(context.Context, *Repository) context.Context) (bool, error) {
	r, err := m.client.Repository(m.target.Repo(img))
	if err != nil {
		return false, err
	}
	ctx = asking(ctx, r)
	if len(img.MirrorTags()) == 0 {
		ok, err := r.Has(ctx, img.Root)
		if !ok || err != nil {
			return false, err
		}
		return r.refersTo(ctx, img.Root, oci.Descriptor{Digest: img.Subject})
	}
	for _, tag := range img.MirrorTags() {
		got, err := r.tagDigest(ctx, tag)
		if err != nil || got != img.Root.Digest {
			return false, err
		}
	}
	return r.hasParts(ctx, src, img)
}

// hasParts looks for what an index names, which may be there without it: a
// registry that takes sparse indexes may have had the same one with fewer platforms.
func (r *Repository) hasParts(ctx context.Context, src oci.Source, img oci.Image) (bool, error) {
	if !oci.IsIndex(img.Root.MediaType) {
		return true, nil
	}
	all := true
	err := oci.WalkIndexes(ctx, src, img, func(d oci.Descriptor, _ []byte) error {
		if !all || d.Digest == img.Root.Digest || !oci.IsManifest(d.MediaType) {
			return nil
		}
		var err error
		all, err = r.Has(ctx, oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		return err
	})
	return all, err
}

// toPush asks for a token that may push: some registries give none to read a
// repository that is not there yet, but do give one to create it.
func (r *Repository) toPush(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.location, auth.ActionPull, auth.ActionPush)
}

// findMissing looks at each blob in each repository of the images that need it.
func (m *Mirror) findMissing(ctx context.Context, blobs []oci.Node, images []oci.Image) ([]Delivery, error) {
	repos := make([][]oci.Ref, len(blobs))
	has := make([][]bool, len(blobs))
	var broken atomic.Int32
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for i, node := range blobs {
		repos[i] = m.reposOf(node, images)
		has[i] = make([]bool, len(repos[i]))
		for j, ref := range repos[i] {
			g.Go(func() error {
				r, err := m.client.Repository(ref)
				if err != nil {
					return err
				}
				f, err := r.look(r.toPush(ctx), node.Descriptor)
				if f.err != nil && broken.Add(1) > maxUnreadable {
					return f.err
				}
				has[i][j] = f.whole()
				return unlessRefused(err)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []Delivery
	for i, node := range blobs {
		d := Delivery{Blob: node.Descriptor}
		for j, ref := range repos[i] {
			switch {
			case !has[i][j]:
				d.Repos = append(d.Repos, ref)
			case d.From == oci.Ref{}:
				d.From = ref
			}
		}
		if len(d.Repos) > 0 {
			d.Optional = m.optionalOf(node, images)
			list = append(list, d)
		}
	}
	return list, nil
}

// optionalOf lists the images that need the blob if all of them may be left out.
func (m *Mirror) optionalOf(node oci.Node, images []oci.Image) (list []oci.Image) {
	for _, i := range node.Images {
		if m.Optional == nil || !m.Optional(images[i]) {
			return nil
		}
		list = append(list, images[i])
	}
	return list
}

// reposOf lists the mirror's repositories that need the blob, by name.
func (m *Mirror) reposOf(node oci.Node, images []oci.Image) []oci.Ref {
	var list []oci.Ref
	for _, i := range node.Images {
		list = append(list, m.target.Repo(images[i]))
	}
	slices.SortFunc(list, func(a, b oci.Ref) int { return cmp.Compare(a.Repository, b.Repository) })
	return slices.Compact(list)
}
