package cache

import (
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Manifest gives a manifest by its digest alone, nil if it is not stored whole.
func (c *Cache) Manifest(d digest.Digest) []byte {
	if oci.CheckDigest(d) != nil {
		return nil
	}
	for _, dir := range c.dirs() {
		if body := manifestIn(dir, d); body != nil {
			return body
		}
	}
	return nil
}

func manifestIn(dir string, d digest.Digest) []byte {
	f, err := os.Open(pathIn(dir, oci.Descriptor{Digest: d}))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was read only
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > oci.MaxManifestSize {
		return nil
	}
	body := make([]byte, info.Size())
	if _, err := io.ReadFull(f, body); err != nil || oci.Digest(body) != d {
		return nil
	}
	return body
}
