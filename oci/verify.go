package oci

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
)

// DigestError says that bytes are not those that a descriptor names.
type DigestError struct {
	Want    Descriptor
	Got     digest.Digest // empty when the size is already wrong
	GotSize int64         // bytes seen; more than Want.Size means at least that many
}

func (e *DigestError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("%s has %d bytes where its descriptor says %d", e.Want.Digest, e.GotSize, e.Want.Size)
	}
	return fmt.Sprintf("the bytes received for %s have the digest %s", e.Want.Digest, e.Got)
}

// Hint says what to do now.
func (e *DigestError) Hint() string {
	return "the registry, or something between, gives wrong bytes (of a catalog in a directory, its file has them); nothing of them was stored: run the command again"
}

// Permanent reports that the source gives wrong bytes, as far as one try shows.
func (e *DigestError) Permanent() bool { return true }

// Verifier checks a stream of bytes against a descriptor. Write never accepts
// more than the descriptor's size; Close reports wrong bytes.
type Verifier struct {
	want Descriptor
	hash hash.Hash
	n    int64
}

// NewVerifier starts a check of the bytes of d, from the first byte on.
func NewVerifier(d Descriptor) *Verifier { return &Verifier{want: d, hash: sha256.New()} }

// Write takes the next bytes. It returns a *[DigestError] for bytes beyond the
// descriptor's size.
func (v *Verifier) Write(p []byte) (int, error) {
	if int64(len(p)) > v.want.Size-v.n {
		return 0, &DigestError{Want: v.want, GotSize: v.n + int64(len(p))}
	}
	v.n += int64(len(p))
	return v.hash.Write(p)
}

// Written is the number of bytes taken so far.
func (v *Verifier) Written() int64 { return v.n }

// Close returns a *[DigestError] unless exactly the descriptor's bytes were written.
func (v *Verifier) Close() error {
	if v.n != v.want.Size {
		return &DigestError{Want: v.want, GotSize: v.n}
	}
	if got := digest.NewDigest(digest.SHA256, v.hash); got != v.want.Digest {
		return &DigestError{Want: v.want, Got: got, GotSize: v.n}
	}
	return nil
}

// MarshalBinary gives the state of the check: the byte count (8 bytes, big
// endian), then the hash state of crypto/sha256.
func (v *Verifier) MarshalBinary() ([]byte, error) {
	state, err := v.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("store hash state: %w", err)
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(v.n)), state...), nil
}

// UnmarshalBinary continues a check of the same descriptor from a stored state.
func (v *Verifier) UnmarshalBinary(b []byte) error {
	if len(b) < 8 {
		return errors.New("hash state is too short")
	}
	n := binary.BigEndian.Uint64(b)
	if n > uint64(v.want.Size) {
		return fmt.Errorf("hash state covers %d bytes of a blob of %d", n, v.want.Size)
	}
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b[8:]); err != nil {
		return fmt.Errorf("read hash state: %w", err)
	}
	v.hash, v.n = h, int64(n)
	return nil
}

// verifiedReader holds back the end of the stream until the whole is verified.
type verifiedReader struct {
	rc  io.ReadCloser
	v   *Verifier
	err error
}

func (r *verifiedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	left := r.v.want.Size - r.v.n
	if left == 0 { // an empty blob
		r.err = r.finish()
		return 0, r.err
	}
	n, err := r.rc.Read(p[:min(int64(len(p)), left)])
	if _, werr := r.v.Write(p[:n]); werr != nil {
		r.err = werr
		return 0, werr
	}
	switch {
	case r.v.n == r.v.want.Size:
		r.err = r.finish()
		if !errors.Is(r.err, io.EOF) {
			return 0, r.err
		}
	case err == io.EOF:
		r.err = r.v.Close()
		return 0, r.err
	case err != nil:
		r.err = err
	}
	return n, nil
}

// finish makes sure that nothing follows the last byte and that the digest is right.
func (r *verifiedReader) finish() error {
	if err := r.v.Close(); err != nil {
		return err
	}
	var one [1]byte
	n, err := io.ReadFull(r.rc, one[:])
	if n > 0 {
		return &DigestError{Want: r.v.want, GotSize: r.v.n + 1}
	}
	return err
}

func (r *verifiedReader) Close() error { return r.rc.Close() }
