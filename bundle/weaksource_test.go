package bundle

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

var errLink = errors.New("the link went down")

// weakSource is a source that breaks one blob's reading at a byte, and notes the
// offsets that it is asked for.
type weakSource struct {
	oci.Source
	blob  digest.Digest
	until int64 // bytes of the blob that are available
	lie   bool  // changes the byte at until instead of breaking there

	mu    sync.Mutex
	asked map[digest.Digest][]int64
	read  map[digest.Digest]int64 // bytes given, all readings together
}

func newWeak(src oci.Source, blob digest.Digest, until int64) *weakSource {
	return &weakSource{Source: src, blob: blob, until: until, asked: map[digest.Digest][]int64{}, read: map[digest.Digest]int64{}}
}

// offsets gives what was asked of a blob, and forgets it.
func (s *weakSource) offsets(d digest.Digest) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.asked[d]
	delete(s.asked, d)
	return list
}

func (s *weakSource) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	s.mu.Lock()
	s.asked[d.Digest] = append(s.asked[d.Digest], off)
	s.mu.Unlock()
	rc, err := s.Source.Open(ctx, d, off)
	if err != nil {
		return nil, err
	}
	return &weakReader{rc, s, d.Digest, off}, nil
}

type weakReader struct {
	io.ReadCloser
	s   *weakSource
	d   digest.Digest
	off int64
}

func (r *weakReader) Read(p []byte) (int, error) {
	if r.d == r.s.blob && !r.s.lie {
		if r.off >= r.s.until {
			return 0, errLink
		}
		p = p[:min(int64(len(p)), r.s.until-r.off)]
	}
	n, err := r.ReadCloser.Read(p)
	if at := r.s.until - r.off; r.d == r.s.blob && r.s.lie && at >= 0 && at < int64(n) {
		p[at] ^= 1
	}
	r.off += int64(n)
	r.s.mu.Lock()
	r.s.read[r.d] += int64(n)
	r.s.mu.Unlock()
	return n, err
}
