package unpack

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// payloadBytes sums up what the images of each release have, by its payload, where nodes are to
// load them before an update.
func (u *unpacking) payloadBytes(ctx context.Context) (map[digest.Digest]int64, error) {
	if !u.Site.PinImages {
		return nil, nil
	}
	return bytesOf(ctx, u.r.Inventory(), u.src)
}

func bytesOf(ctx context.Context, inv *oci.Inventory, src oci.Source) (map[digest.Digest]int64, error) {
	sums := map[digest.Digest]int64{}
	var walks oci.Walks
	for payload, images := range manifests.ReleaseImages(inv) {
		seen := map[digest.Digest]bool{}
		for _, img := range images {
			err := walks.WalkImage(ctx, src, img, func(d oci.Descriptor, body []byte) error {
				if body == nil && !seen[d.Digest] {
					sums[payload] += d.Size
				}
				seen[d.Digest] = true
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return sums, nil
}
