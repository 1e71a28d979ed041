package receipt

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// MissingError says that the mirror lacks some of what a receipt was rebuilt from.
type MissingError struct {
	Images []oci.Image // that are not there as they should be
	All    int
	Mirror string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s lacks %d of %d images, or parts of them, such as %s; the receipt names only what is there", e.Mirror, len(e.Images), e.All, e.Images[0].Source)
}

// Hint says what to do now.
func (e *MissingError) Hint() string {
	return "push the bundle into the mirror, which writes a receipt too"
}

// Rebuild compares what a bundle needs with the mirror. What is there is marked as found, what
// is not is left out, and its images are listed. The receipt needs a head: what bundle it is
// of, and its mirror.
func Rebuild(ctx context.Context, m *transport.Mirror, r *Receipt, graph *oci.Graph) (lacking []oci.Image, err error) {
	absent, err := m.AbsentOf(ctx, graph)
	if err != nil {
		return nil, err
	}
	there := rebuilding{absent, map[Tagged]digest.Digest{}}
	for _, img := range graph.Images {
		for _, tag := range img.MirrorTags() {
			there.want[Tagged{r.Mirror.Repo(img).Repository, tag}] = img.Root.Digest
		}
	}
	r.From = Rebuilt
	r.Fill(graph, there)
	whole := make([]bool, len(graph.Images))
	for i := range whole {
		whole[i] = true
	}
	for _, n := range graph.Manifests {
		for _, i := range n.Images {
			whole[i] = whole[i] && !absent.Manifest(r.Mirror.Repo(graph.Images[i]).Repository, n.Descriptor.Digest)
		}
	}
	for _, n := range graph.Blobs {
		for _, i := range n.Images {
			whole[i] = whole[i] && (oci.IsForeign(n.Descriptor.MediaType) || !absent.Blob(r.Mirror.Repo(graph.Images[i]).Repository, n.Descriptor.Digest))
		}
	}
	for i, img := range graph.Images {
		if !whole[i] {
			lacking = append(lacking, img)
		}
	}
	return lacking, nil
}

// rebuilding marks what is there as found.
type rebuilding struct {
	absent *transport.Absent
	want   map[Tagged]digest.Digest
}

func (m rebuilding) Manifest(repo string, d digest.Digest) (Mark, bool) {
	return Found, !m.absent.Manifest(repo, d)
}

func (m rebuilding) Blob(repo string, d oci.Descriptor) (Mark, bool) {
	return Found, !m.absent.Blob(repo, d.Digest)
}

func (m rebuilding) Tag(repo, tag string) (Mark, bool) {
	_, named := m.absent.Tag(repo, tag)
	return Found, named != "" && named == m.want[Tagged{repo, tag}]
}

// Adopt marks everything as pushed by satchel.
func (r *Receipt) Adopt() {
	r.From = Adopted
	for i := range r.Manifests {
		r.Manifests[i].Mark = Pushed
	}
	for i, b := range r.Blobs {
		r.Blobs[i].In = slices.Clone(b.In)
		for k := range b.In {
			r.Blobs[i].In[k].Mark = Pushed
		}
	}
	for _, img := range r.Images {
		for k := range img.Tags {
			img.Tags[k].Mark = Pushed
		}
	}
	r.Sort()
}

// Digests finds the whole digests of blobs in the manifests that name them, as the mirror has
// them. What cannot be read is left out.
func (r *Receipt) Digests(ctx context.Context, client *transport.Client) (map[Short]digest.Digest, error) {
	found := make([][]oci.Descriptor, len(r.Manifests))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for i, m := range r.Manifests {
		if oci.IsIndex(m.MediaType) {
			continue
		}
		g.Go(func() error {
			ref := oci.Ref{Registry: r.Mirror.Host, Repository: m.Repo, Digest: m.Digest}
			if d, body, _, err := client.ResolveManifest(gctx, ref, nil); err == nil {
				found[i], _ = oci.Children(d, body) // what cannot be read names nothing
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := map[Short]digest.Digest{}
	for _, list := range found {
		for _, d := range list {
			all[ShortOf(d.Digest)] = d.Digest
		}
	}
	return all, nil
}
