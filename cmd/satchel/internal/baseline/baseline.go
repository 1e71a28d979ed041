package baseline

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// Known is what one mirror, or each of several mirrors, has already.
type Known struct {
	mirrors  []*mirror
	receipts []bundle.BaselineSource // whose they are; none where a ledger says it
	alike    []string
}

// Alike names the mirrors that the receipts do not show to be one: of several sites, or of one
// whose receipts were lost in between. Only what all of them have counts.
func (k *Known) Alike() []string { return slices.Clone(k.alike) }

// Sources lists the bundles of the receipts.
func (k *Known) Sources() []bundle.BaselineSource { return slices.Clone(k.receipts) }

// mirror is what one has. Repositories are named as the receipts of the mirror name them, or,
// of a ledger, as inventories do.
type mirror struct {
	repo      func(oci.Image) string // that an image gets
	path      func(repo string) string
	manifests map[digest.Digest]entry
	blobs     map[string]entry // by as much of the digest as is known of all
	short     func(digest.Digest) string
}

// entry is content of a mirror.
type entry struct {
	repos []string // that have it, sorted
	from  bundle.BaselineSource
}

// Find says whether content that these images need is there already: in which repository, a
// path below the namespace, and which bundle brought it. Of several mirrors each has it there.
func (k *Known) Find(d oci.Descriptor, images []oci.Image) (path string, from bundle.BaselineSource, ok bool) {
	var entries []entry
	for _, m := range k.mirrors {
		e, ok := m.find(d, images)
		if !ok {
			return "", from, false
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return "", from, false
	}
	var paths []string
	for _, img := range images {
		paths = append(paths, img.MirrorPath())
	}
	for _, repo := range entries[0].repos { // it is mounted from there
		paths = append(paths, k.mirrors[0].path(repo))
	}
	for _, p := range paths {
		everywhere := p != ""
		for i, m := range k.mirrors {
			_, has := slices.BinarySearch(entries[i].repos, m.repo(oci.Image{Path: p}))
			everywhere = everywhere && has
		}
		if everywhere {
			return p, entries[0].from, true
		}
	}
	return "", from, false
}

// find gives what the mirror has of content, of a manifest only if every image's repository has it.
func (m *mirror) find(d oci.Descriptor, images []oci.Image) (e entry, ok bool) {
	if !oci.IsManifest(d.MediaType) {
		e, ok = m.blobs[m.short(d.Digest)]
		return e, ok
	}
	e, ok = m.manifests[d.Digest]
	for _, img := range images {
		_, has := slices.BinarySearch(e.repos, m.repo(img))
		ok = ok && has
	}
	return e, ok
}
