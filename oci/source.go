package oci

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
)

// Source gives content by descriptor.
type Source interface {
	// Open returns the bytes of d from offset off on. They are unverified
	// unless the Source is wrapped by [Verified]. The caller closes the reader.
	Open(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error)
}

// SourceFunc is a function that is a [Source].
type SourceFunc func(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error)

// Open calls f.
func (f SourceFunc) Open(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
	return f(ctx, d, off)
}

// Sink takes content by descriptor.
type Sink interface {
	// Has reports whether the whole of d is stored.
	Has(ctx context.Context, d Descriptor) (bool, error)
	// Put stores d. It reads from where an earlier try got to, reopens src
	// after a broken read, and returns a *[DigestError] before anything becomes
	// visible. A nil error means that the content is stored under its digest,
	// not that this call stored it.
	Put(ctx context.Context, d Descriptor, src Source) error
}

// ErrNoOffset is returned by sources that give content only from its first byte.
var ErrNoOffset = errors.New("content can only be read from its first byte here")

// Verified wraps src so that its readers return a *[DigestError] before io.EOF
// when the bytes do not match their descriptor, and never give the last bytes
// of such content. Only offset 0 can be verified; others return [ErrNoOffset].
func Verified(src Source) Source {
	return SourceFunc(func(ctx context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
		if off != 0 {
			return nil, ErrNoOffset
		}
		rc, err := src.Open(ctx, d, 0)
		if err != nil {
			return nil, err
		}
		return &verifiedReader{rc: rc, v: NewVerifier(d)}, nil
	})
}

// ReadManifest reads and verifies a manifest of at most [MaxManifestSize] bytes,
// whatever media type its descriptor has. A larger one is an *[UnsupportedError].
// What src refuses to give, and the descriptor has with it (its Data), is taken from there.
func ReadManifest(ctx context.Context, src Source, d Descriptor) ([]byte, error) {
	if err := CheckDescriptor(d); err != nil {
		return nil, err
	}
	if d.Size > MaxManifestSize {
		return nil, tooLarge(d)
	}
	return readAll(ctx, src, d)
}

// ReadBlob reads and verifies a blob of at most limit bytes into memory. Data of d serves
// as for [ReadManifest].
func ReadBlob(ctx context.Context, src Source, d Descriptor, limit int64) ([]byte, error) {
	if err := CheckDescriptor(d); err != nil {
		return nil, err
	}
	if d.Size > limit {
		return nil, fmt.Errorf("blob %s has %d bytes, more than the %d expected here", d.Digest, d.Size, limit)
	}
	return readAll(ctx, src, d)
}

func readAll(ctx context.Context, src Source, d Descriptor) (body []byte, err error) {
	rc, err := Verified(src).Open(ctx, d, 0)
	if refused(err) && d.Data != nil && isContent(d.Data, d) {
		return d.Data, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	body = make([]byte, d.Size)
	if _, err := io.ReadFull(rc, body); err != nil {
		return nil, err
	}
	if _, err := rc.Read(make([]byte, 1)); err != io.EOF {
		return nil, fmt.Errorf("read %s to its end: %w", d.Digest, err)
	}
	return body, nil
}

// Digest is the SHA-256 digest of b.
func Digest(b []byte) digest.Digest { return digest.SHA256.FromBytes(b) }
