package probe

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Bases finds out in which repositories of the mirror all images are Docker's.
func Bases(to oci.Mirror, images []oci.Image) map[oci.Ref]Base {
	bases := map[oci.Ref]Base{}
	for _, img := range images {
		if img.Subject != "" {
			continue
		}
		ref, of := to.Repo(img), img.Root.MediaType
		b, known := bases[ref]
		if !known {
			b = Base{Docker: true, List: true}
		}
		b.Docker = b.Docker && (of == oci.MediaTypeDockerManifest || of == oci.MediaTypeDockerList)
		b.List = b.List && (len(img.Omitted) == 0 || of == oci.MediaTypeDockerList)
		bases[ref] = b
	}
	return bases
}

// Kind is a shape, and what has it.
type Kind struct {
	Shape Shape
	Repo  oci.Ref     // the first that gets one
	Of    []oci.Image // of all repositories of the project
}

// Kinds lists the kinds of manifests of images, but for what is attached to others, each
// once in a project: registries decide for all repositories of one alike. The ordinary ones
// of bases are not among them. src gives the manifests.
func Kinds(ctx context.Context, src oci.Source, to oci.Mirror, images []oci.Image, bases map[oci.Ref]Base) (map[oci.Ref][]*Kind, error) {
	type place struct {
		project string
		shape   Shape
	}
	all := map[place]*Kind{}
	for _, img := range images {
		if img.Subject != "" {
			continue
		}
		repo := to.Repo(img)
		project, _, _ := strings.Cut(repo.Repository, "/")
		err := walk(ctx, src, img, func(_ oci.Descriptor, s Shape) {
			at := place{project, s}
			if s == plain(bases[repo].image()) { // that one was tried
				return
			}
			k := all[at]
			if k == nil {
				k = &Kind{s, repo, nil}
				all[at] = k
			}
			if n := len(k.Of); n == 0 || k.Of[n-1].Source != img.Source {
				k.Of = append(k.Of, img)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	kinds := map[oci.Ref][]*Kind{}
	for _, k := range all {
		kinds[k.Repo] = append(kinds[k.Repo], k)
	}
	return kinds, nil
}

// RootShape is the shape of an image's root.
func RootShape(ctx context.Context, src oci.Source, img oci.Image) (root Shape, err error) {
	err = walk(ctx, src, img, func(d oci.Descriptor, s Shape) {
		if d.Digest == img.Root.Digest {
			root = s
		}
	})
	return root, err
}

// walk calls fn with each manifest of an image, children before their parents.
func walk(ctx context.Context, src oci.Source, img oci.Image, fn func(oci.Descriptor, Shape)) error {
	known := map[digest.Digest]string{}
	return oci.WalkImage(ctx, src, img, func(d oci.Descriptor, body []byte) error {
		if known[d.Digest] = d.MediaType; body == nil {
			known[d.Digest] = ""
			return nil
		}
		s, err := shapeOf(d, body, known)
		if err == nil {
			fn(d, s)
		}
		return err
	})
}
