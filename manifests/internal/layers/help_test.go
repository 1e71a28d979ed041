package layers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	godigest "github.com/opencontainers/go-digest"

	"github.com/klauspost/compress/zstd"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

type digestOf = godigest.Digest

func bytesOf(t *testing.T, c *ocitest.Content, d oci.Descriptor) []byte {
	t.Helper()
	rc, err := c.Open(t.Context(), d, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// compress writes body through what wrap makes, and closes it.
func compress(t *testing.T, body []byte, wrap func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := wrap(&out)
	write(t, w, body)
	if f, ok := w.(interface{ Flush() error }); ok { // so that a frame does not know its size
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

func encoder(t *testing.T, w io.Writer, opts ...zstd.EOption) io.WriteCloser {
	t.Helper()
	z, err := zstd.NewWriter(w, append(opts, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(false))...)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// checksum writes the sum of a tar header into it.
func checksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h[:512] {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}
