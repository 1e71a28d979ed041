package probe

import (
	"context"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	// maxSparse bounds what a probe's index names, maxPlatform each word of a platform
	// there in bytes, so that it has less than 1 MiB: registries bound manifests.
	maxSparse   = 1 << 10
	maxPlatform = 40
	// maxAllSparse bounds what all of them name, but for one manifest each.
	maxAllSparse = 1 << 16
)

// Sparse lists what the indexes of the images name and do not bring, by the
// mirror's repository, each manifest once and in a steady order: its kind, digest,
// size and platform. Some registries demand certain platforms, or have what is left
// out already, so that it matters which they are. src gives the manifests.
func Sparse(ctx context.Context, src oci.Source, to oci.Mirror, images []oci.Image) (map[oci.Ref][]oci.Descriptor, error) {
	sparse, all := map[oci.Ref][]oci.Descriptor{}, 0
	for _, img := range images {
		if len(img.Omitted) == 0 {
			continue
		}
		ref := to.Repo(img)
		err := oci.WalkIndexes(ctx, src, img, func(d oci.Descriptor, body []byte) error {
			if body == nil {
				return nil
			}
			children, err := oci.Children(d, body)
			for _, c := range children {
				_, out := slices.BinarySearch(img.Omitted, c.Digest)
				n := len(sparse[ref])
				room := n == 0 || n < maxSparse && all < maxAllSparse
				same := func(o oci.Descriptor) bool { return o.Digest == c.Digest }
				if out && oci.IsManifest(c.MediaType) && room && !slices.ContainsFunc(sparse[ref], same) {
					sparse[ref], all = append(sparse[ref], probed(c)), all+1
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return sparse, nil
}

// probed is what a probe says of a manifest: nothing else that an author wrote of it.
func probed(d oci.Descriptor) oci.Descriptor {
	short := oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	if p := d.Platform; p != nil {
		cut := func(word string) string { return strings.Clone(word[:min(len(word), maxPlatform)]) }
		short.Platform = &ispec.Platform{OS: cut(p.OS), Architecture: cut(p.Architecture), Variant: cut(p.Variant)}
	}
	return short
}
