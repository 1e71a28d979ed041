package ocitest

import (
	"encoding/hex"
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// Gzips adds n layers of about size bytes each that gzip has really compressed:
// the gzip of [Content.Layer] stores, and leaves other compressors the zeros of a
// small tar.
func (c *Content) Gzips(n, size int) ([]oci.Descriptor, error) {
	list := make([]oci.Descriptor, n)
	for i := range list {
		c.count++
		body := make([]byte, size)
		if _, err := newRandom(c.seed, c.count).ReadAt(body, 0); err != nil {
			return nil, err
		}
		var err error
		if list[i], err = c.Files(LayerGzip, File{Name: fmt.Sprintf("data-%04d", c.count), Body: []byte(hex.EncodeToString(body))}); err != nil {
			return nil, err
		}
	}
	return list, nil
}
