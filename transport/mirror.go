package transport

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
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

// PlainHTTP reports whether the mirror has answered without TLS so far.
func (m *Mirror) PlainHTTP() bool { return m.client.plainHTTP(m.target.Host) }

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

	Unknown []oci.Image // those of Images of which the registry refuses to say whether they are there
}

// Missing looks for the inventory in the mirror. It only reads: one HEAD for each tag, one
// GET for each manifest of an image whose tags are right, by digest as a node would, and one
// GET of a byte for each blob in each repository that needs it; with [VerifyManifests] only for
// blobs of images that are not there. An index alone proves nothing: it may be there with fewer
// platforms. Nor does a HEAD, see [Mirror.Verify]. src gives the manifests. What the
// registry refuses to answer (some do that for a repository that is not there yet) is listed too,
// and marked as unknown: [Mirror.Probe] finds out why, for all repositories at once. What it has
// stored and cannot give is missing. Errors are of type *[RegistryError], or those of src.
func (m *Mirror) Missing(ctx context.Context, src oci.Source, inv *oci.Inventory) (*Missing, error) {
	absent, unknown, err := m.absent(ctx, src, inv.Images)
	if err != nil {
		return nil, err
	}
	missing := &Missing{Images: absent, Present: len(inv.Images) - len(absent), Unknown: unknown}
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
	tags    sync.Map // what each names, by its reference
	written atomic.Bool
}

// unchanged reports whether an image was seen whole, and nothing was written since. Who
// reads blobs back, which takes long, looks again.
func (m *Mirror) unchanged(img oci.Image) bool {
	_, whole := m.seen.images.Load(m.imageKey(img))
	return whole && !m.seen.written.Load() && m.Verify != VerifyFull
}

// absent lists the images that some tag of theirs does not name, or some manifest
// of which is not there as it should be, and with them those, also by themselves, of which the
// registry refuses to say.
func (m *Mirror) absent(ctx context.Context, src oci.Source, images []oci.Image) (absent, unknown []oci.Image, err error) {
	p := &presence{m: m, src: src}
	var refused sync.Map // by key
	absent, err = m.lacking(ctx, images, func(ctx context.Context, img oci.Image) (bool, error) {
		has, err := p.image(ctx, img)
		switch {
		case has && err == nil:
			m.seen.images.Store(m.imageKey(img), nil)
		case refuses(err) && !isDamaged(err):
			refused.Store(m.imageKey(img), nil)
		}
		return has, unlessRefused(err)
	})
	for _, img := range absent {
		if _, is := refused.Load(m.imageKey(img)); is {
			unknown = append(unknown, img)
		}
	}
	return absent, unknown, err
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

// presence looks once for what is there, each manifest once in a repository.
type presence struct {
	m     *Mirror
	src   oci.Source
	asked sync.Map // by full name: func() (bool, error)
}

// image looks for the tags, and where those are right for every manifest: a registry that takes
// sparse indexes may have had the same index with fewer platforms.
func (p *presence) image(ctx context.Context, img oci.Image) (bool, error) {
	r, err := p.m.client.Repository(p.m.target.Repo(img))
	if err != nil {
		return false, err
	}
	tags := img.MirrorTags()
	for _, tag := range tags {
		got, err := r.tagDigest(r.toPush(ctx), tag)
		if err == nil {
			p.m.seen.tags.Store(p.m.target.Repo(img).WithTag(tag), got)
		}
		if err != nil || got != img.Root.Digest {
			return false, err
		}
	}
	asking := ctx
	if len(tags) == 0 { // nodes do not ask for it, and the repository may not be there yet
		asking = r.toPush(ctx)
	}
	all := true
	err = oci.WalkIndexes(ctx, p.src, img, func(d oci.Descriptor, _ []byte) (err error) {
		if all && oci.IsManifest(d.MediaType) {
			all, err = p.manifest(asking, r, d)
		}
		return err
	})
	if err != nil || !all || len(tags) > 0 {
		return all, err
	}
	return r.refersTo(asking, img.Root, oci.Descriptor{Digest: img.Subject})
}

func (p *presence) manifest(ctx context.Context, r *Repository, d oci.Descriptor) (bool, error) {
	once, _ := p.asked.LoadOrStore(r.name(d), sync.OnceValues(func() (bool, error) { return r.gives(ctx, d) }))
	return once.(func() (bool, error))()
}

// RefusedImage is an image that the mirror does not take and that may be left out, see
// [Mirror].Optional.
type RefusedImage struct {
	Image oci.Image
	Err   error // what the mirror answered
}

// leftOut is what is left out so far.
type leftOut struct {
	mu   sync.Mutex
	list map[string]RefusedImage
}

func (m *Mirror) imageKey(img oci.Image) string {
	return m.target.Repo(img).WithDigest(img.Root.Digest).String() + " " + strings.Join(img.Tags, " ")
}

// leaveOut notes an image that may be left out, with what the mirror answered; any
// other error, or one of any other image, is returned.
func (m *Mirror) leaveOut(img oci.Image, err error) error {
	if err == nil || m.Optional == nil || !saidNo(err) || !m.Optional(img) {
		return err
	}
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	if m.left.list == nil {
		m.left.list = map[string]RefusedImage{}
	}
	if key := m.imageKey(img); m.left.list[key].Err == nil {
		m.left.list[key] = RefusedImage{img, err}
	}
	return nil
}

// isOut reports whether an image is left out.
func (m *Mirror) isOut(img oci.Image) bool {
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	return m.left.list[m.imageKey(img)].Err != nil
}

// Refused lists the images that were left out so far, by name.
func (m *Mirror) Refused() []RefusedImage {
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	list := make([]RefusedImage, 0, len(m.left.list))
	for _, r := range m.left.list {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b RefusedImage) int { return cmp.Compare(m.imageKey(a.Image), m.imageKey(b.Image)) })
	return list
}

// saidNo reports whether an error is what a registry answered for good: the registry is
// there, and has room. Some answer 500 to what they do not support.
func saidNo(err error) bool {
	var answer *RegistryError
	var blob *BlobError
	var manifest *ManifestError
	if errors.As(err, &blob) || errors.As(err, &manifest) {
		return true
	}
	if !errors.As(err, &answer) || answer.Status < 400 {
		return false
	}
	switch answer.Trouble() {
	case TroubleFull, TroubleQuota:
		return false
	}
	switch answer.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}
