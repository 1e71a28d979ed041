package ocitest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// WriteLayout writes an OCI image layout into dir, which is made, with those roots
// in its index.json as they stand, annotations included.
func (c *Content) WriteLayout(dir string, roots ...oci.Descriptor) error {
	blobs := filepath.Join(dir, ispec.ImageBlobsDir, "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return err
	}
	for _, root := range roots {
		err := oci.Walk(context.Background(), c, root, func(d oci.Descriptor, _ []byte) error {
			r, err := c.Open(context.Background(), d, 0)
			if err != nil {
				return err
			}
			f, err := os.Create(filepath.Join(blobs, d.Digest.Encoded()))
			if err != nil {
				return errors.Join(err, r.Close())
			}
			_, err = io.Copy(f, r)
			return errors.Join(err, r.Close(), f.Close())
		})
		if err != nil {
			return fmt.Errorf("write layout %s: %w", dir, err)
		}
	}
	index := struct {
		SchemaVersion int              `json:"schemaVersion"`
		Manifests     []oci.Descriptor `json:"manifests"`
	}{2, roots}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, ispec.ImageIndexFile), encode(index), 0o600),
		os.WriteFile(filepath.Join(dir, ispec.ImageLayoutFile), encode(ispec.ImageLayout{Version: ispec.ImageLayoutVersion}), 0o600))
}
