package transport

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/satchel-airgap/satchel/oci"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Delivery is one blob that the mirror lacks, and where.
type Delivery struct {
	Blob  oci.Descriptor
	Repos []oci.Ref // repositories of the mirror without it; uploaded into the first, mounted into the rest
	From  oci.Ref   // a repository of the mirror that has it, to be mounted from; zero if none is known

	Optional []oci.Image // that alone need it, if all of them may be left out

	// Fault is what the first repository has instead, where [Mirror.ReadBack] has found
	// that out; "" if nothing is there.
	Fault string

	Unknown bool // the registry refuses to say of each of Repos whether it is there
}

// Missing is what the mirror lacks of an inventory.
type Missing struct {
	Images  []oci.Image // whose manifests or tags are not all there, in the inventory's order
	Blobs   []Delivery  // what is not there, or not whole, by digest
	Present int         // images whose manifests and tags are there

	// Unnamed are those images of Present that have no tag that never moves yet. Mirrors that
	// others filled are whole without; see [Mirror.Name].
	Unnamed []oci.Image

	// Moves are the tags of Images that name another manifest now, each once.
	Moves []TagMove

	Unknown []oci.Image // those of Images of which the registry refuses to say whether they are there

	whole map[string]bool // by key: those of Images that lack nothing but the tags of Moves
}

// Whole reports whether one of Images lacks nothing but that tags of its own move.
func (missing *Missing) Whole(target oci.Mirror, img oci.Image) bool {
	return missing.whole[keyOf(target, img)]
}

// Missing looks for the inventory in the mirror. It only reads: one HEAD for each tag, one
// GET for each manifest of an image whose tags are there, by digest as a node would, and one
// GET of a byte for each blob in each repository that needs it; with [VerifyManifests] only for
// blobs of images that are not there. An index alone proves nothing: it may be there with fewer
// platforms. Nor does a HEAD, see [Mirror.Verify]. src gives the manifests. What the
// registry refuses to answer (some do that for a repository that is not there yet) is listed too,
// and marked as unknown: [Mirror.Probe] finds out why, for all repositories at once. What it has
// stored and cannot give is missing. Errors are of type *[RegistryError], or those of src.
func (m *Mirror) Missing(ctx context.Context, src oci.Source, inv *oci.Inventory) (*Missing, error) {
	missing, err := m.absent(ctx, src, inv.Images)
	if err != nil {
		return nil, err
	}
	asked := inv.Images
	if m.Verify == VerifyManifests {
		asked = slices.DeleteFunc(slices.Clone(missing.Images), func(img oci.Image) bool { return missing.whole[m.imageKey(img)] })
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
	said := make([]atomic.Bool, len(blobs)) // of some repository, that it is not whole
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
				if !has[i][j] && !refuses(err) {
					said[i].Store(true)
				}
				return unlessRefused(err)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []Delivery
	for i, node := range blobs {
		d := Delivery{Blob: node.Descriptor, Unknown: !said[i].Load()}
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

// seen is which images [Mirror.Missing] saw whole, as long as nothing was written since.
type seen struct {
	images  sync.Map // by key
	written atomic.Bool
}

// LookAnew has [Mirror.Confirm] ask for everything, also for what was seen before: somebody may
// have deleted it since.
func (m *Mirror) LookAnew() { m.seen.written.Store(true) }

// unchanged reports whether an image was seen whole, and nothing was written since. Who
// reads blobs back, which takes long, looks again.
func (m *Mirror) unchanged(img oci.Image) bool {
	_, whole := m.seen.images.Load(m.imageKey(img))
	return whole && !m.seen.written.Load() && m.Verify != VerifyFull
}

// absent lists the images of which some tag of their own or some manifest is not there as it
// should be, and with them those, also by themselves, of which the registry refuses to say.
func (m *Mirror) absent(ctx context.Context, src oci.Source, images []oci.Image) (*Missing, error) {
	p := &presence{m: m, src: src}
	states := make([]there, len(images))
	refused := make([]bool, len(images))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for i, img := range images {
		g.Go(func() (err error) {
			states[i], err = p.image(gctx, img)
			if err != nil {
				states[i].manifests = false
			}
			refused[i] = refuses(err) && !isDamaged(err)
			return unlessRefused(err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	missing, known := &Missing{whole: map[string]bool{}}, map[oci.Ref]bool{}
	for i, img := range images {
		t := states[i]
		missing.addMoves(t.moves, known)
		switch {
		case t.manifests && t.tags && len(t.moves) == 0 && t.named:
			m.seen.images.Store(m.imageKey(img), nil)
			missing.Present++
		case t.manifests && t.tags && len(t.moves) == 0:
			missing.Present++
			missing.Unnamed = append(missing.Unnamed, img)
		default:
			missing.Images = append(missing.Images, img)
			missing.whole[m.imageKey(img)] = t.manifests && t.tags
			if refused[i] {
				missing.Unknown = append(missing.Unknown, img)
			}
		}
	}
	return missing, nil
}

// lacking lists the images that the mirror does not have.
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

// unlessRefused leaves refusals to the probe, and what is not as it should be to a push.
func unlessRefused(err error) error {
	if _, wrong := errors.AsType[*ManifestError](err); wrong || isDamaged(err) || refuses(err) {
		return nil
	}
	return err
}
