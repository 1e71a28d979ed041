package transport

import (
	"context"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/order"
)

// stored is a manifest of an image that is to be stored.
type stored struct {
	img  oci.Image
	d    oci.Descriptor
	body []byte
}

// manifest stores a manifest under those of the names that are its own and do not name it yet;
// if there is none, by its digest.
func (p *pushing) manifest(ctx context.Context, r *Repository, one *order.Turn, s stored, names []name) error {
	for _, n := range names {
		if n.of.Digest != s.d.Digest {
			continue
		}
		if err := p.name(ctx, r, one, s, n); err != nil {
			return err
		}
	}
	if one.Stored {
		return nil
	}
	return p.put(ctx, r, one, s, s.d.Digest.String())
}

// name stores a manifest under a tag, unless it has it. Where the registry does not let the tag
// move, and no tag of the manifest is left that never moves, it is named by its digest.
func (p *pushing) name(ctx context.Context, r *Repository, one *order.Turn, s stored, n name) error {
	old, needed, err := p.m.needs(ctx, r, n)
	if err != nil || !needed {
		return err
	}
	if old != "" && s.img.Subject == "" {
		if err := p.m.keepNamed(ctx, r, old); err != nil {
			return err
		}
	}
	err = p.put(ctx, r, one, s, n.tag)
	refused, ok := errors.AsType[*TagError](err)
	own := oci.DigestTag(s.d.Digest)
	if !ok || !refuses(err) || s.img.Subject != "" || n.tag == own {
		return err
	}
	p.m.tags.leave(TagMove{Image: s.img, Tag: refused.Ref, Old: refused.Got, New: s.d.Digest, Err: err})
	if !n.fixed {
		return nil
	}
	return p.name(ctx, r, one, s, name{own, s.d, true})
}

// put stores a manifest, and counts it if the registry took it.
func (p *pushing) put(ctx context.Context, r *Repository, one *order.Turn, s stored, reference string) error {
	sent, err := p.putSoon(ctx, r, s.img, s.d, s.body, reference)
	if err != nil {
		return ifForeign(s.d, s.body, err)
	}
	if sent {
		p.m.countManifest(r, s.d)
	}
	one.Stored = true
	p.m.tags.note(r.ref.WithTag(reference), s.d.Digest)
	return nil
}

// needs looks at a tag right before it is pushed, and reports what it names and whether it must
// be; the tag of a digest can name nothing else. One that names something else than [Mirror.Missing] saw is a *[ManifestError]: nobody
// was told that it moves.
func (m *Mirror) needs(ctx context.Context, r *Repository, n name) (old digest.Digest, needed bool, err error) {
	saw, looked := m.tags.saw(r.ref.WithTag(n.tag))
	if n.tag == oci.DigestTag(n.of.Digest) {
		return "", saw != n.of.Digest, nil
	}
	old, err = r.tagDigest(r.toPush(ctx), n.tag)
	switch {
	case isDamaged(err): // a push may mend it
		return "", true, nil
	case refuses(err):
		if !n.fixed && !looked && r.hides(ctx, n.of.Digest, err) {
			return "", false, err
		}
		return "", true, nil // it is not there yet, was seen before, or never moves
	case err != nil || old == n.of.Digest:
		return "", false, err
	case old != "" && looked && old != saw:
		return "", false, &ManifestError{Repo: r.ref, Tag: n.tag, Manifest: n.of, Got: old}
	}
	return old, true, nil
}

// hides reports whether a refusal to say what a tag names may hide another manifest, so that it would
// move unsaid. Some registries refuse to speak of whatever is not there, or of everything until a
// repository has something: where they do, what is there is answered.
func (r *Repository) hides(ctx context.Context, there digest.Digest, err error) bool {
	switch statusIn(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
	default:
		return false
	}
	ctx = r.toPush(ctx)
	if r.answersOthers(ctx) {
		return true
	}
	own, err := r.tagDigest(ctx, oci.DigestTag(there))
	return refuses(err) || err == nil && own == ""
}

// keepNamed has what a tag names keep a tag when that one moves on: nodes may pull it by digest.
// A registry that refuses is noted.
func (m *Mirror) keepNamed(ctx context.Context, r *Repository, old digest.Digest) error {
	if oci.CheckDigest(old) != nil {
		//lint:ignore nilerr of other algorithms there is no tag
		return nil
	}
	tag := oci.DigestTag(old)
	if got, err := r.tagDigest(r.toPush(ctx), tag); err == nil && got == old {
		return nil
	}
	var d oci.Descriptor
	var body []byte
	err := r.alone(r.toPush(ctx), func(ctx context.Context) (err error) {
		d, body, err = r.manifestRead(ctx, old.String(), old)
		return err
	})
	_, odd := errors.AsType[*oci.UnsupportedError](err)
	_, lied := errors.AsType[*oci.DigestError](err)
	if odd || lied || statusIn(err) == 404 || isDamaged(err) {
		return nil // nothing that a node could pull
	}
	if err == nil {
		err = r.putManifest(ctx, d, body, tag)
	}
	return m.noteName(r.ref.WithTag(tag), explain("push", r.ref.WithTag(tag).String(), err))
}

// Name gives images that are in the mirror the tag that never moves. Only manifests are sent. A
// registry that refuses is no error: see [Mirror.RefusedTags]. src gives the manifests.
func (m *Mirror) Name(ctx context.Context, src oci.Source, images []oci.Image) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, img := range images {
		g.Go(func() error {
			r, err := m.client.Repository(m.target.Repo(img))
			if err != nil {
				return err
			}
			names, err := m.wanted(ctx, src, img)
			if err != nil {
				return err
			}
			for _, n := range names {
				if err := m.name(ctx, src, r, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// name gives a manifest that is there a tag, unless that was seen to name it.
func (m *Mirror) name(ctx context.Context, src oci.Source, r *Repository, n name) error {
	if !n.fixed {
		return nil
	}
	_, needed, err := m.needs(ctx, r, n)
	if err != nil || !needed {
		return err
	}
	body, err := oci.ReadManifest(ctx, src, n.of)
	if err != nil {
		return err
	}
	m.seen.written.Store(true)
	ref := r.ref.WithTag(n.tag)
	if err = r.putManifest(ctx, n.of, body, n.tag); err == nil {
		m.tags.note(ref, n.of.Digest)
	}
	return m.noteName(ref, err)
}

// noteName notes that something in the mirror got a tag, or that it was refused.
func (m *Mirror) noteName(tag oci.Ref, err error) error {
	if err != nil && !saidNo(err) {
		return err
	}
	m.tags.mu.Lock()
	defer m.tags.mu.Unlock()
	if err != nil {
		if m.tags.refused == nil {
			m.tags.refused = map[string]RefusedTag{}
		}
		m.tags.refused[tag.String()] = RefusedTag{tag, err}
		return nil
	}
	if m.tags.named == nil {
		m.tags.named = map[string]bool{}
	}
	m.tags.named[tag.String()] = true
	return nil
}
