package layers

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// broken ends with an error of the network, which wraps io.EOF: the registry closed
// the connection without an answer.
type broken struct{ r io.Reader }

var errBroken = fmt.Errorf("get blob: %w", io.EOF)

func (b broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

// TestBrokenRead cuts a layer off at every place: that is never the end of a file,
// nor a fault of the layer.
func TestBrokenRead(t *testing.T) {
	t.Parallel()
	c := ocitest.New(1)
	_, layers := image(t, c, ocitest.LayerGzip, []string{"c/x=" + string(bytes.Repeat([]byte("body"), 1000)), "c/y=1"})
	for n := range layers[0].Size {
		src := &counting{Source: c, spoil: map[digestOf]func(io.Reader) io.Reader{
			layers[0].Digest: func(r io.Reader) io.Reader { return broken{io.LimitReader(r, n)} }}}
		b, err := openBlob(t.Context(), src, layers[0])
		if err != nil {
			t.Fatal(err)
		}
		left := int64(maxContent)
		got, err := openContent(layers[0], b, &left)
		if err == nil {
			defer got.close()
			tr := tar.NewReader(got)
			for err == nil {
				var h *tar.Header
				if h, err = tr.Next(); err == nil {
					_, err = io.ReadAll(fileReader{got, h.Name, tr})
				}
			}
			if isEnd(err) { // the tar ends before its layer
				_, err = io.Copy(io.Discard, b)
			} else {
				err = got.explain("tar", err)
			}
		}
		var unsupported *oci.UnsupportedError
		if !errors.Is(err, errBroken) || errors.As(err, &unsupported) {
			t.Fatalf("%d of %d bytes: %v", n, layers[0].Size, err)
		}
	}
}
