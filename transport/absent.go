package transport

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// Absent is what the mirror definitely does not have of what some images need. Repositories
// are named without their host.
type Absent struct {
	mu      sync.Mutex
	content map[absentKey]bool
	tags    map[absentKey]digest.Digest // what each names; "" for nothing
}

type absentKey struct {
	repo, name string // a digest or a tag
	manifest   bool
}

// Manifest reports whether a repository lacks a manifest.
func (a *Absent) Manifest(repo string, d digest.Digest) bool {
	return a.has(absentKey{repo, d.String(), true})
}

// Blob reports whether a repository lacks a blob.
func (a *Absent) Blob(repo string, d digest.Digest) bool {
	return a.has(absentKey{repo, d.String(), false})
}

func (a *Absent) has(key absentKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.content[key]
}

// Tag reports whether a repository lacks a tag. One that is there names another manifest than
// the image's, or the image is not whole; named is what it names, "" where nobody asked.
func (a *Absent) Tag(repo, tag string) (absent bool, named digest.Digest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	named, asked := a.tags[absentKey{repo, tag, false}]
	return asked && named == "", named
}

func (a *Absent) note(repo oci.Ref, d oci.Descriptor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.content[absentKey{repo.Repository, d.Digest.String(), oci.IsManifest(d.MediaType)}] = true
}

func (a *Absent) noteTag(repo oci.Ref, tag string, named digest.Digest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tags[absentKey{repo.Repository, tag, false}] = named
}

// Absent finds out what is absent of what is missing, before it is pushed: one HEAD for each
// manifest and for each tag that nothing is known of. That a blob is absent says nothing of the
// manifest that names it, which somebody may have pushed. What the mirror refuses to speak of is not listed; as a probe may have made its
// repository, it is asked again. src gives the manifests.
func (m *Mirror) Absent(ctx context.Context, src oci.Source, missing *Missing) (*Absent, error) {
	a := &Absent{content: map[absentKey]bool{}, tags: map[absentKey]digest.Digest{}}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, d := range missing.Blobs {
		for _, repo := range d.Repos {
			if !d.Unknown {
				a.note(repo, d.Blob)
				continue
			}
			g.Go(func() error { return m.absentAt(gctx, repo, d.Blob, a) })
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := m.absentManifests(ctx, src, missing.Images, a); err != nil {
		return nil, err
	}
	return a, m.absentTags(ctx, slices.Concat(missing.Images, missing.Unnamed), a)
}

// once reports of each name in a repository whether it is met for the first time.
func once() func(repo oci.Ref, name string, manifest bool) bool {
	asked := map[absentKey]bool{}
	return func(repo oci.Ref, name string, manifest bool) bool {
		key := absentKey{repo.Repository, name, manifest}
		known := asked[key]
		asked[key] = true
		return !known
	}
}

// absentManifests has manifests asked for, each once in a repository.
func (m *Mirror) absentManifests(ctx context.Context, src oci.Source, images []oci.Image, a *Absent) error {
	first := once()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	var walks oci.Walks
	for _, img := range images {
		repo := m.target.Repo(img)
		err := walks.WalkImage(ctx, src, img, func(d oci.Descriptor, body []byte) error {
			if body == nil || !first(repo, d.Digest.String(), true) {
				return nil
			}
			g.Go(func() error { return m.absentAt(ctx, repo, d, a) })
			return nil
		})
		if err != nil {
			return err
		}
	}
	return g.Wait()
}

// absentTags has tags asked for, each once in a repository, that of a digest too: somebody may
// have given it to another manifest.
func (m *Mirror) absentTags(ctx context.Context, images []oci.Image, a *Absent) error {
	first := once()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, img := range images {
		repo := m.target.Repo(img)
		for _, tag := range img.MirrorTags() {
			if first(repo, tag, false) {
				g.Go(func() error { return m.absentTag(ctx, repo, tag, a) })
			}
		}
	}
	return g.Wait()
}

func (m *Mirror) absentAt(ctx context.Context, repo oci.Ref, d oci.Descriptor, a *Absent) error {
	r, err := m.client.Repository(repo)
	if err != nil {
		return err
	}
	there, err := r.Has(r.toPush(ctx), d)
	if err == nil && !there {
		a.note(repo, d)
	}
	return unlessRefused(err)
}

func (m *Mirror) absentTag(ctx context.Context, repo oci.Ref, tag string, a *Absent) error {
	if named, known := m.tags.saw(repo.WithTag(tag)); known {
		a.noteTag(repo, tag, named)
		return nil
	}
	r, err := m.client.Repository(repo)
	if err != nil {
		return err
	}
	named, err := r.tagDigest(r.toPush(ctx), tag)
	if err == nil {
		a.noteTag(repo, tag, named)
	}
	return unlessRefused(err)
}

// AbsentOf asks the mirror for everything that the images of a graph need: each manifest by
// digest as a node would, each blob by its last byte, each tag. Nothing is taken as known, and
// a refusal to say is an error, of type *[RegistryError].
func (m *Mirror) AbsentOf(ctx context.Context, graph *oci.Graph) (*Absent, error) {
	a := &Absent{content: map[absentKey]bool{}, tags: map[absentKey]digest.Digest{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, n := range slices.Concat(graph.Manifests, graph.Blobs) {
		for _, repo := range m.reposOf(n, graph.Images) {
			g.Go(func() error { return m.sureAt(ctx, repo, n.Descriptor, a) })
		}
	}
	first := once()
	for _, img := range graph.Images {
		repo := m.target.Repo(img)
		for _, tag := range img.MirrorTags() {
			if !first(repo, tag, false) {
				continue
			}
			g.Go(func() error {
				r, err := m.client.Repository(repo)
				if err != nil {
					return err
				}
				named, err := r.tagDigest(r.toPush(ctx), tag)
				if err == nil {
					a.noteTag(repo, tag, named)
				}
				return err
			})
		}
	}
	return a, g.Wait()
}

// AbsentIn asks repositories of the mirror for content, each manifest by digest as a node would,
// each blob by its last byte. A refusal to say is an error, of type *[RegistryError].
func (m *Mirror) AbsentIn(ctx context.Context, want map[oci.Ref][]oci.Descriptor) (*Absent, error) {
	a := &Absent{content: map[absentKey]bool{}, tags: map[absentKey]digest.Digest{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for repo, list := range want {
		for _, d := range list {
			g.Go(func() error { return m.sureAt(ctx, repo, d, a) })
		}
	}
	return a, g.Wait()
}

// sureAt notes what is absent, or not as it should be.
func (m *Mirror) sureAt(ctx context.Context, repo oci.Ref, d oci.Descriptor, a *Absent) error {
	r, err := m.client.Repository(repo)
	if err != nil {
		return err
	}
	there := false
	if oci.IsManifest(d.MediaType) {
		there, err = r.gives(r.toPush(ctx), d)
		if _, wrong := errors.AsType[*ManifestError](err); wrong {
			err = nil
		}
	} else {
		var f found
		f, err = r.look(r.toPush(ctx), d)
		there = err == nil && f.whole()
	}
	if err == nil && !there {
		a.note(repo, d)
	}
	return err
}
