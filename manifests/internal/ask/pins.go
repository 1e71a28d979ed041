package ask

import (
	"context"
	"sync"

	"github.com/satchel-airgap/satchel/oci"
)

// pins asks for each reference once, so that a tag that moves meanwhile is one
// image for the whole run.
type pins struct {
	Images
	mu   sync.Mutex
	seen map[oci.Ref]*pinned
}

type pinned struct {
	once sync.Once
	root oci.Descriptor
	src  oci.Source
	err  error
}

func Pin(from Images) *pins { return &pins{Images: from, seen: map[oci.Ref]*pinned{}} }

// Resolve asks for a reference by its digest if it has one.
func (p *pins) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	if ref.Digest != "" {
		ref = ref.WithDigest(ref.Digest)
	}
	p.mu.Lock()
	one := p.seen[ref]
	if one == nil {
		one = &pinned{}
		p.seen[ref] = one
	}
	p.mu.Unlock()
	one.once.Do(func() { one.root, one.src, one.err = p.Images.Resolve(ctx, ref) })
	return one.root, one.src, one.err
}
