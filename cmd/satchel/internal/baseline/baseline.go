package baseline

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// Known is what one mirror, or each of several mirrors, has already.
type Known struct {
	mirrors []*mirror
}

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
// path below the namespace, and which bundle brought it.
func (k *Known) Find(d oci.Descriptor, images []oci.Image) (path string, from bundle.BaselineSource, ok bool) {
	for i, m := range k.mirrors {
		p, f, ok := m.find(d, images)
		if !ok {
			return "", bundle.BaselineSource{}, false
		}
		if i == 0 {
			path, from = p, f
		}
	}
	return path, from, len(k.mirrors) > 0
}

func (m *mirror) find(d oci.Descriptor, images []oci.Image) (path string, from bundle.BaselineSource, ok bool) {
	isManifest := oci.IsManifest(d.MediaType)
	e, ok := m.blobs[m.short(d.Digest)]
	if isManifest {
		e, ok = m.manifests[d.Digest]
	}
	if !ok {
		return "", from, false
	}
	for _, img := range images {
		_, has := slices.BinarySearch(e.repos, m.repo(img))
		if isManifest && !has {
			return "", from, false
		}
		if has && path == "" {
			path = img.MirrorPath()
		}
	}
	if path == "" { // it is mounted from there
		path = m.path(e.repos[0])
	}
	return path, e.from, true
}
