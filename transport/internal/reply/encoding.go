package reply

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	// MaxDecided is the largest content that is read at once to see by its digest
	// whether it was compressed on the way.
	MaxDecided = 4 << 20

	sniffed  = 4 << 10 // bytes of larger content that are looked at instead
	headRoom = 64 << 10
	buffered = 256 << 10
)

// Identity asks for content as it is: by its digest nothing else is of use. Without
// this header, servers may compress as they like (RFC 9110, section 12.5.3).
func Identity(req *http.Request) *http.Request {
	other := *req
	other.Header = req.Header.Clone()
	other.Header.Set("Accept-Encoding", "identity")
	return &other
}

// Encoding is what an answer says that its content is compressed with, "" for nothing.
func Encoding(resp *http.Response) string {
	var list []string
	for _, line := range resp.Header.Values("Content-Encoding") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != "identity" {
				list = append(list, strings.TrimPrefix(name, "x-"))
			}
		}
	}
	return strings.Join(list, ", ")
}

// EncodingError says that content came compressed in a way that cannot be undone here.
type EncodingError struct{ Encoding string }

func (e *EncodingError) Error() string {
	return fmt.Sprintf("the answer is compressed with %q", OneLine(e.Encoding))
}

// Content gives the content of a whole answer to a GET of d. Some servers compress
// what they were not asked to compress, and others only say so of layers that are
// compressed in themselves: the digest decides, or of large content its size and
// its first bytes.
func Content(resp *http.Response, d oci.Descriptor) (io.Reader, error) {
	name := Encoding(resp)
	switch {
	case name == "":
		return resp.Body, checkWhole(resp, d)
	case d.Size <= MaxDecided:
		return decided(resp.Body, d, name)
	case resp.ContentLength == d.Size:
		return resp.Body, nil
	case name != "gzip" && resp.ContentLength < 0: // its digest will tell
		return resp.Body, nil
	case name != "gzip":
		return nil, &EncodingError{name}
	}
	return sniff(resp, d)
}

// decided reads content and takes the form of it that has the digest.
func decided(body io.Reader, d oci.Descriptor, name string) (io.Reader, error) {
	raw, err := io.ReadAll(io.LimitReader(body, 2*d.Size+headRoom))
	if err != nil {
		return nil, err
	}
	plain, ok := Decoded(raw, d.Digest, d.Size)
	if !ok {
		return nil, &EncodingError{name}
	}
	return bytes.NewReader(plain), nil
}

// Decoded gives those bytes, or what they decompress to, that have the digest; false
// and the bytes as they are if neither has. What is decompressed is at most limit.
func Decoded(raw []byte, want digest.Digest, limit int64) ([]byte, bool) {
	if oci.Digest(raw) == want {
		return raw, true
	}
	if plain, err := Gunzip(raw, limit); err == nil && oci.Digest(plain) == want {
		return plain, true
	}
	return raw, false
}

// Gunzip undoes a compression with gzip, and reads one byte beyond the limit at most.
func Gunzip(raw []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, limit+1))
}

// IsGzip reports whether bytes begin as those of gzip do.
func IsGzip(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) }

// sniff decides by the first bytes of content that is said to be compressed with gzip.
func sniff(resp *http.Response, d oci.Descriptor) (io.Reader, error) {
	in := bufio.NewReaderSize(resp.Body, buffered)
	start, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !IsGzip(start) {
		return in, checkWhole(resp, d)
	}
	layer := strings.HasSuffix(d.MediaType, "gzip") // compressed in itself, so twice if it is on its way too
	if z, err := gzip.NewReader(bytes.NewReader(start)); err == nil && resp.ContentLength < 0 && layer {
		within, _ := io.ReadAll(io.LimitReader(z, 2)) // the rest of it is cut off
		if !IsGzip(within) {
			return in, nil
		}
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return &decoder{z}, nil
}

// decoder marks as broken what ends within its compressed stream.
type decoder struct{ z *gzip.Reader }

func (r *decoder) Read(p []byte) (int, error) {
	n, err := r.z.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &watch.BrokenError{Err: err}
	}
	return n, err
}

// checkWhole refuses an answer that announces another size.
func checkWhole(resp *http.Response, d oci.Descriptor) error {
	if n := resp.ContentLength; n >= 0 && n != d.Size {
		return &oci.DigestError{Want: d, GotSize: n}
	}
	return nil
}
