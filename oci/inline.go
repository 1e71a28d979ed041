package oci

import (
	"context"
	"errors"
)

// errFound ends a walk that has what it looks for.
var errFound = errors.New("found")

// Inline gives the content of d from the manifest of an image that has it with its
// descriptor (its Data, OCI image-spec, "Embedded Content"), nil if none has. src gives
// the manifests.
func Inline(ctx context.Context, src Source, img Image, d Descriptor) (data []byte, err error) {
	err = WalkImage(ctx, src, img, func(parent Descriptor, body []byte) error {
		if body == nil {
			return nil
		}
		children, err := Children(parent, body)
		for _, c := range children {
			if c.Digest == d.Digest && len(c.Data) > 0 {
				data = c.Data
				return errFound
			}
		}
		return err
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return data, err
}
