package layers

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// maxWindow is the largest zstd window that is decompressed, in bytes. RFC 8878
// (3.1.1.1.2) asks for 8 MiB; podman and buildkit write up to 16 MiB at the
// levels that are in use.
const maxWindow = 16 << 20

// compressions says how the tar in a layer of each media type should be compressed.
var compressions = map[string]string{
	ispec.MediaTypeImageLayer:                                      "tar",
	ispec.MediaTypeImageLayerGzip:                                  "gzip",
	ispec.MediaTypeImageLayerZstd:                                  "zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar":      "tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
	"application/vnd.docker.image.rootfs.diff.tar":                 "tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip":            "gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd":            "zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar":         "tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    "gzip",
}

// blob reads a layer as it is stored, and remembers what went wrong: that goes
// before an error of a decoder.
type blob struct {
	//lint:ignore containedctx io.Reader takes no context
	ctx context.Context
	rc  io.ReadCloser
	err error // other than io.EOF
}

func openBlob(ctx context.Context, src oci.Source, d oci.Descriptor) (*blob, error) {
	if compressions[d.MediaType] == "" {
		return nil, unsupported("layer", d, "its media type %q is not one of a tar", d.MediaType)
	}
	rc, err := oci.Verified(src).Open(ctx, d, 0)
	switch {
	case err == nil:
		return &blob{ctx: ctx, rc: rc}, nil
	case oci.IsForeign(d.MediaType):
		return nil, fmt.Errorf("%w: %w", unsupported("layer", d, "it is a foreign layer, which its registry may not have"), err)
	}
	return nil, fmt.Errorf("open layer %s: %w", d.Digest, err)
}

// isEnd reports whether a reader gave its end. An error of the network, such as that
// of a connection which was closed, may wrap the same value.
func isEnd(err error) bool {
	//lint:ignore errorlint what wraps it is no end
	return err == io.EOF
}

func (b *blob) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := 0, b.ctx.Err()
	if err == nil {
		n, err = b.rc.Read(p)
	}
	if err != nil && !isEnd(err) {
		b.err = err
	}
	return n, err
}

func (b *blob) Close() error { return b.rc.Close() }

// content is the tar in a layer. Its errors are the blob's, or an
// *oci.UnsupportedError.
type content struct {
	layer oci.Descriptor
	blob  *blob
	r     io.Reader
	left  *int64 // bytes that may still be decompressed, of the whole image
	close func()
}

// openContent decompresses a blob.
func openContent(d oci.Descriptor, b *blob, left *int64) (*content, error) {
	c := &content{layer: d, blob: b, left: left, close: func() {}}
	br := bufio.NewReaderSize(b, 64<<10)
	start, err := br.Peek(4)
	if err != nil && !isEnd(err) {
		return nil, err
	}
	kind := compressionOf(start) // as for whoever unpacks it, whatever the media type says
	switch kind {
	case "gzip":
		c.r, err = gzip.NewReader(br)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			c.r, c.close = z, z.Close
		}
	default:
		c.r, err = br, nil
	}
	if err != nil {
		return nil, c.explain(kind, err)
	}
	return c, nil
}

// compressionOf tells by the first bytes: RFC 1952, RFC 8878 3.1.1 and 3.1.2.
func compressionOf(start []byte) string {
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(start) == 4 && start[0]&0xf0 == 0x50 && bytes.Equal(start[1:], []byte{0x2a, 0x4d, 0x18}):
		return "zstd"
	}
	return "tar"
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if *c.left -= int64(n); *c.left < 0 {
		return 0, unsupported("layer", c.layer, "the image has more than %d GiB when decompressed", maxContent>>30)
	}
	if err != nil && !isEnd(err) {
		err = c.explain("compressed stream", err)
	}
	return n, err
}

// explain says what is wrong with the bytes, unless they could not be read at all.
func (c *content) explain(kind string, err error) error {
	var known *oci.UnsupportedError
	switch {
	case c.blob.err != nil:
		return c.blob.err
	case errors.As(err, &known):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return unsupported("layer", c.layer, "its zstd window is above the %d MiB that are decompressed", maxWindow>>20)
	}
	return unsupported("layer", c.layer, "it is not a valid %s: %v", kind, err)
}
