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
	seen seen

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

// Missing looks for the inventory in the mirror. It only reads: one HEAD for each tag, one
// GET for each manifest of an image whose tags are right, by digest as a node would, and one
// GET of a byte for each blob in each repository that needs it; with [VerifyManifests] only for
// blobs of images that are not there. An index alone proves nothing: it may be there with fewer
// platforms. Nor does a HEAD, see [Mirror.Verify]. src gives the manifests. What the
// registry refuses to answer counts as missing: [Mirror.Probe] finds out why, for all
// repositories at once; and so does what it has stored and cannot give. Errors are of type
// *[RegistryError], or those of src.
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
