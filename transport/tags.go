package transport

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// name is a tag that a manifest of an image is to have.
type name struct {
	tag   string
	of    oci.Descriptor
	fixed bool // it never moves
}

// names are the tags of an image: its own, and those that name its digests, which it has in
// addition.
type names struct{ own, fixed []name }

// names lists the tags that an image is to have.
func (m *Mirror) names(ctx context.Context, src oci.Source, img oci.Image) (n names, err error) {
	fixed := img.FixedTag()
	for _, tag := range img.Tags {
		n.own = append(n.own, name{tag, img.Root, tag == fixed})
	}
	if fixed != "" && !slices.Contains(img.Tags, fixed) {
		n.fixed = append(n.fixed, name{fixed, img.Root, true})
	}
	if !m.TagChildren || img.Subject != "" {
		return n, nil
	}
	err = oci.WalkIndexes(ctx, src, img, func(d oci.Descriptor, _ []byte) error {
		if oci.IsManifest(d.MediaType) && d.Digest != img.Root.Digest {
			n.fixed = append(n.fixed, name{oci.DigestTag(d.Digest), d, true})
		}
		return nil
	})
	return n, err
}

// wanted lists the tags that an image is to have when the run ends, those that never move
// first: without those that stay as they are, for which it is named by its digest.
func (m *Mirror) wanted(ctx context.Context, src oci.Source, img oci.Image) ([]name, error) {
	all, err := m.names(ctx, src, img)
	if err != nil {
		return nil, err
	}
	r := m.target.Repo(img)
	list := slices.DeleteFunc(append(all.fixed, all.own...), func(n name) bool { _, stays := m.tags.stays(r.WithTag(n.tag)); return stays })
	if img.FixedTag() != "" && !slices.ContainsFunc(list, func(n name) bool { return n.fixed && n.of.Digest == img.Root.Digest }) {
		list = append(list, name{oci.DigestTag(img.Root.Digest), img.Root, true})
	}
	slices.SortStableFunc(list, func(a, b name) int {
		switch {
		case a.fixed == b.fixed:
			return 0
		case a.fixed:
			return -1
		}
		return 1
	})
	return list, nil
}

// TagMove is a tag of the mirror that names another manifest than the one that an image is to
// have under it.
type TagMove struct {
	Image oci.Image
	Tag   oci.Ref       // in the mirror
	Old   digest.Digest // what it names; "" for nothing any more
	New   digest.Digest // what it is to name
	Err   error         // of one that the registry does not let move: what it answered
}

// tags is what the tags of the mirror name.
type tags struct {
	mu   sync.Mutex
	seen map[string]digest.Digest // by reference, as it was last looked at, or pushed; "" for nothing
	left map[string]TagMove       // by reference: those that stay as they are

	refused map[string]RefusedTag // by reference: names for a digest that were refused
	named   map[string]bool       // by reference: names that what was there already got
}

// look asks what a tag names, and notes it.
func (t *tags) look(ctx context.Context, r *Repository, tag string) (digest.Digest, error) {
	got, err := r.tagDigest(ctx, tag)
	if err != nil {
		return "", err
	}
	t.note(r.ref.WithTag(tag), got)
	return got, nil
}

// note notes what a tag names.
func (t *tags) note(ref oci.Ref, d digest.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]digest.Digest{}
	}
	t.seen[ref.String()] = d
}

// saw is what a tag named when it was looked at.
func (t *tags) saw(ref oci.Ref) (d digest.Digest, looked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, looked = t.seen[ref.String()]
	return d, looked
}

// leave has a tag stay as it is.
func (t *tags) leave(move TagMove) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == nil {
		t.left = map[string]TagMove{}
	}
	t.left[move.Tag.String()] = move
}

// stays reports whether a tag stays as it is.
func (t *tags) stays(ref oci.Ref) (TagMove, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	move, ok := t.left[ref.String()]
	return move, ok
}

func (t *tags) wasRefused(ref oci.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, refused := t.refused[ref.String()]
	return refused
}

// addMoves adds tags that move: two images may want the same one for the same manifest. known has
// those that were added before.
func (missing *Missing) addMoves(moves []TagMove, known map[oci.Ref]bool) {
	for _, move := range moves {
		if !known[move.Tag] {
			known[move.Tag] = true
			missing.Moves = append(missing.Moves, move)
		}
	}
}

// Leave has tags stay as they are, of those that would move: an image that lacks nothing else
// is not missing, and one whose own tags all stay is named by its digest. [Mirror.Manifests] and
// [Mirror.Confirm] leave these tags alone.
func (m *Mirror) Leave(missing *Missing, stay []TagMove) {
	for _, move := range stay {
		m.tags.leave(move)
	}
	stays := func(move TagMove) bool { _, ok := m.tags.stays(move.Tag); return ok }
	missing.Moves = slices.DeleteFunc(missing.Moves, stays)
	missing.Images = slices.DeleteFunc(missing.Images, func(img oci.Image) bool {
		if !missing.whole[m.imageKey(img)] || slices.ContainsFunc(missing.Moves, func(move TagMove) bool { return m.has(img, move.Tag) }) {
			return false
		}
		missing.Present++
		if fixed := img.FixedTag(); fixed != "" && (m.TagChildren || !m.sawName(img, fixed)) {
			missing.Unnamed = append(missing.Unnamed, img)
		}
		return true
	})
}

// sawName reports whether a tag was seen to name an image.
func (m *Mirror) sawName(img oci.Image, tag string) bool {
	is, _ := m.tags.saw(m.target.Repo(img).WithTag(tag))
	return is == img.Root.Digest
}

// has reports whether a tag of the mirror is one of an image.
func (m *Mirror) has(img oci.Image, tag oci.Ref) bool {
	return m.target.Repo(img).WithTag(tag.Tag) == tag && slices.Contains(img.MirrorTags(), tag.Tag)
}

// Left lists the tags that stayed as they are, by name: those of [Mirror.Leave], and those that
// the registry does not let move, with what each names as far as it was last looked at.
func (m *Mirror) Left() []TagMove {
	m.tags.mu.Lock()
	defer m.tags.mu.Unlock()
	list := make([]TagMove, 0, len(m.tags.left))
	for _, move := range m.tags.left {
		list = append(list, move)
	}
	slices.SortFunc(list, func(a, b TagMove) int { return cmp.Compare(a.Tag.String(), b.Tag.String()) })
	return list
}

// RefusedTag is a tag for the digest of what the mirror has, which it does not take.
type RefusedTag struct {
	Tag oci.Ref
	Err error // what the registry answered
}

// RefusedTags lists the tags for digests that the mirror refused, by name.
func (m *Mirror) RefusedTags() []RefusedTag {
	m.tags.mu.Lock()
	defer m.tags.mu.Unlock()
	list := make([]RefusedTag, 0, len(m.tags.refused))
	for _, r := range m.tags.refused {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b RefusedTag) int { return cmp.Compare(a.Tag.String(), b.Tag.String()) })
	return list
}

// Named counts the manifests that were in the mirror and got a tag that never moves.
func (m *Mirror) Named() int {
	m.tags.mu.Lock()
	defer m.tags.mu.Unlock()
	return len(m.tags.named)
}
