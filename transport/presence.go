package transport

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// presence looks once for what is there, each manifest and tag once in a repository.
type presence struct {
	m     *Mirror
	src   oci.Source
	asked sync.Map // by full name: func() (bool, error)
	tags  sync.Map // by reference: func() (digest.Digest, error)
}

// there is what the mirror has of an image.
type there struct {
	manifests bool // all of them
	tags      bool // those of its own, whatever they name
	named     bool // those that never move
	moves     []TagMove

	some bool // a tag: the repository is there
}

// image looks for the tags, and where those are there for every manifest: a registry that takes
// sparse indexes may have had the same index with fewer platforms. The tags that never move may
// be absent: an older mirror has none.
func (p *presence) image(ctx context.Context, img oci.Image) (t there, err error) {
	r, err := p.m.client.Repository(p.m.target.Repo(img))
	if err != nil {
		return t, err
	}
	names, err := p.m.names(ctx, p.src, img)
	if err != nil {
		return t, err
	}
	t.tags, t.named = true, true
	before, after := names.own, names.fixed
	if len(before) == 0 {
		before, after = after, nil // the repository may not be there
	}
	for _, n := range before { // all of them, also if one fails: what was not looked at moves unsaid
		if terr := p.tag(ctx, r, img, n, &t); err == nil {
			err = terr
		}
	}
	if err != nil || !t.tags {
		return t, err
	}
	if t.manifests, err = p.manifests(ctx, r, img, t.some); err != nil || !t.manifests {
		return t, err
	}
	for _, n := range after {
		if err := p.tag(ctx, r, img, n, &t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// tag notes what a tag names.
func (p *presence) tag(ctx context.Context, r *Repository, img oci.Image, n name, t *there) error {
	once, _ := p.tags.LoadOrStore(r.ref.WithTag(n.tag), sync.OnceValues(func() (digest.Digest, error) { return p.m.tags.look(r.toPush(ctx), r, n.tag) }))
	got, err := once.(func() (digest.Digest, error))()
	switch {
	case err != nil:
		return err
	case got == "" && n.fixed:
		t.named = false
	case got == "":
		t.tags = false
	case got != n.of.Digest:
		t.moves = append(t.moves, TagMove{Image: img, Tag: r.ref.WithTag(n.tag), Old: got, New: n.of.Digest})
	}
	t.some = t.some || got != ""
	return nil
}

// manifests asks for every manifest of an image, as a node would if the repository is known to
// be there. A referrer without a tag must be listed too.
func (p *presence) manifests(ctx context.Context, r *Repository, img oci.Image, known bool) (bool, error) {
	asking := ctx
	if !known {
		asking = r.toPush(ctx)
	}
	all := true
	err := oci.WalkIndexes(ctx, p.src, img, func(d oci.Descriptor, _ []byte) (err error) {
		if all && oci.IsManifest(d.MediaType) {
			all, err = p.manifest(asking, r, d)
		}
		return err
	})
	if err != nil || !all || img.Subject == "" || len(img.Tags) > 0 {
		return all, err
	}
	return r.refersTo(asking, img.Root, oci.Descriptor{Digest: img.Subject})
}

func (p *presence) manifest(ctx context.Context, r *Repository, d oci.Descriptor) (bool, error) {
	once, _ := p.asked.LoadOrStore(r.name(d), sync.OnceValues(func() (bool, error) { return r.gives(ctx, d) }))
	return once.(func() (bool, error))()
}
