package unpack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// behind gives what a bundle carries, and what it leaves out from the mirror, where it is by
// the bundle's baseline.
type behind struct {
	r      *bundle.Reader
	client *transport.Client
	mirror oci.Mirror

	mu     sync.Mutex
	bodies map[digest.Digest][]byte // of manifests, as far as they fit
	left   int                      // bytes that still fit
	at     map[digest.Digest]oci.Ref
}

// keptBodies is how many bytes of manifests are kept: they are read several times.
const keptBodies = 48 << 20

// Source gives all that the images of a bundle need: what it leaves out is read from the mirror.
func Source(r *bundle.Reader, client *transport.Client, mirror oci.Mirror) oci.Source {
	if r.Baseline() == nil {
		return r
	}
	return newBehind(r, client, mirror)
}

func newBehind(r *bundle.Reader, client *transport.Client, mirror oci.Mirror) *behind {
	return &behind{r: r, client: client, mirror: mirror, bodies: map[digest.Digest][]byte{}, left: keptBodies, at: map[digest.Digest]oci.Ref{}}
}

// source is where a run reads manifests and blobs.
func (u *unpacking) source() oci.Source {
	if u.r.Baseline() == nil {
		return u.r
	}
	u.behind = newBehind(u.r, u.client, u.Site.Mirror)
	return u.behind
}

// place is the repository of the mirror where content is by the baseline.
func (b *behind) place(d digest.Digest) (repo oci.Ref, from bundle.BaselineSource, ok bool) {
	path, from, ok := b.r.Baseline().Find(d)
	if !ok {
		return repo, from, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if repo, known := b.at[d]; known {
		return repo, from, true
	}
	return b.mirror.Repo(oci.Image{Path: path}), from, true
}

// isAt notes a repository that was seen to have content.
func (b *behind) isAt(d digest.Digest, repo oci.Ref) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at[d] = repo
}

// Open gives the bytes of d from off on. What the mirror should have and does not is an
// *[absentError].
func (b *behind) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	ref, from, ok := b.place(d.Digest)
	if !ok || b.r.Has(d) {
		return b.r.Open(ctx, d, off)
	}
	repo, err := b.client.Repository(ref)
	if err != nil {
		return nil, err
	}
	if !oci.IsManifest(d.MediaType) {
		return repo.Open(ctx, d, off)
	}
	body, err := b.manifest(ctx, repo, d)
	if err != nil {
		return nil, behindError(Lacking{d, ref.Repository, from, ""}, err)
	}
	return io.NopCloser(bytes.NewReader(body[min(off, int64(len(body))):])), nil
}

// manifest reads a manifest of the mirror, once if it can be kept.
func (b *behind) manifest(ctx context.Context, repo *transport.Repository, d oci.Descriptor) ([]byte, error) {
	b.mu.Lock()
	body, known := b.bodies[d.Digest]
	b.mu.Unlock()
	if known {
		return body, nil
	}
	body, err := oci.ReadBlob(ctx, repo, d, oci.MaxManifestSize)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left -= len(body); b.left > 0 {
		b.bodies[d.Digest] = body
	}
	return body, nil
}

// absentError is the lack of one manifest.
type absentError struct{ Lacking }

func (e *absentError) Error() string { return "the mirror lacks " + e.String() }

// behindError is the lack that an error shows, else the error.
func behindError(l Lacking, err error) error {
	var answer *transport.RegistryError
	var lied *oci.DigestError
	switch {
	case errors.As(err, &answer) && answer.Status == http.StatusNotFound:
		return &absentError{l}
	case errors.As(err, &lied): // not the bundle's fault
		l.Fault = "it has other bytes"
		return &absentError{l}
	}
	return err
}
