package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/watch"
)

const (
	nodeTries = 3                      // of what may go better
	nodePause = 300 * time.Millisecond // before the second; it doubles
)

// NodePull is an image as a node found it. The caller closes it.
type NodePull struct {
	NodeRoute
	Ref   oci.Ref
	Tried []NodeTry // the places that did not have it, in order
	At    NodePlace // the one that served it
	Root  oci.Descriptor
	Body  []byte // its manifest or index

	node *Node
	from *nodeSource
}

// NodeTry is a place that did not give an image.
type NodeTry struct {
	Place NodePlace
	Err   error
}

// NodeError says that a node would not get an image from any place.
type NodeError struct {
	Ref oci.Ref
	NodeRoute
	Tried []NodeTry
}

func (e *NodeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pull %s", e.Ref)
	for _, t := range e.Tried {
		_, words := NodeTrouble(t.Err)
		fmt.Fprintf(&b, "; %s: %s", t.Place.Ref.Name(), words)
	}
	return b.String()
}

// Unwrap gives the errors of all places.
func (e *NodeError) Unwrap() (errs []error) {
	for _, t := range e.Tried {
		errs = append(errs, t.Err)
	}
	return errs
}

// Pull finds an image and reads its manifest, or its index: at the first place that gives one. The
// error is a *[NodeError], a *[ConfigError] of this host's proxy, or that of the context.
func (n *Node) Pull(ctx context.Context, ref oci.Ref) (*NodePull, error) {
	route, err := n.Route(ref)
	if err != nil { // a node gets no further either: a mirror's path and the image's make no name, say
		return nil, &NodeError{Ref: ref, Tried: []NodeTry{{NodePlace{Ref: ref}, err}}}
	}
	for _, place := range route.Places {
		if place.Source {
			n.Refuse(place.Ref.Registry)
		}
	}
	p := &NodePull{NodeRoute: *route, Ref: ref, node: n}
	for _, place := range route.Places {
		err := p.open(ctx, place)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if wrong, ok := errors.AsType[*ConfigError](err); ok { // of this host: it says nothing of nodes
			return nil, wrong
		}
		p.Tried = append(p.Tried, NodeTry{place, err})
		if _, wrong := errors.AsType[*oci.DigestError](err); wrong { // a node looks at the digest once it has chosen the place
			break
		}
	}
	return nil, &NodeError{Ref: ref, NodeRoute: *route, Tried: p.Tried}
}

// PullAt is as Pull from one place alone, whatever the rules say; ref has a tag or digest there.
func (n *Node) PullAt(ctx context.Context, place NodePlace) (*NodePull, error) {
	p := &NodePull{NodeRoute: NodeRoute{Places: []NodePlace{place}}, Ref: place.Ref, node: n}
	if err := p.open(ctx, place); err != nil {
		return nil, err
	}
	return p, nil
}

// Tags lists the tags of the repository of a place.
func (n *Node) Tags(ctx context.Context, place NodePlace) (tags []string, err error) {
	named, err := nodeReference(place.Ref.Repo())
	if err != nil {
		return nil, err
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return nil, err
	}
	err = n.try(ctx, place.Ref.Registry, func() error {
		return n.watched(ctx, func(ctx context.Context) (err error) {
			tags, err = docker.GetRepositoryTags(ctx, n.at(place), ref)
			return err
		})
	})
	return tags, err
}

// open asks one place.
func (p *NodePull) open(ctx context.Context, place NodePlace) error {
	named, err := nodeReference(place.Ref)
	if err != nil {
		return err
	}
	if rule, err := sysregistriesv2.FindRegistry(p.node.places, named.Name()); err == nil && rule != nil && rule.Blocked {
		return &BlockedError{Repository: named.Name(), Prefix: rule.Prefix, Path: "of the nodes"}
	}
	if place.Source && !p.node.Reaches(place.Ref.Registry) {
		return &SourceError{place.Ref.Registry}
	}
	key := place.Ref.String()
	if err := p.node.lacking(key); err != nil {
		return err
	}
	body, mediaType, err := p.first(ctx, place, named)
	if err == nil {
		p.Root, err = described(body, mediaType, place.Ref.Digest)
	}
	if err != nil {
		if sort, _ := NodeTrouble(err); sort == TroubleNotFound {
			p.node.setLacking(key, err)
		}
		if p.from != nil {
			err = errors.Join(err, p.Close())
		}
		return err
	}
	p.At, p.Body = place, body
	return nil
}

// first reads the manifest or index of an image: from a repository that is open, or over a new connection.
func (p *NodePull) first(ctx context.Context, place NodePlace, named reference.Named) (body []byte, mediaType string, err error) {
	if d := place.Ref.Digest; d != "" {
		if p.from = p.node.borrow(place); p.from != nil {
			err = p.node.try(ctx, place.Ref.Registry, func() error {
				return p.node.watched(ctx, func(ctx context.Context) (err error) {
					body, mediaType, err = p.from.src.GetManifest(ctx, &d)
					return err
				})
			})
			return body, mediaType, err
		}
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return nil, "", err
	}
	err = p.node.try(ctx, place.Ref.Registry, func() error {
		if err := p.node.release(p.from); err != nil { // of a try that was ended too late
			return err
		}
		p.from = nil
		return p.node.watched(ctx, func(ctx context.Context) error {
			src, err := ref.NewImageSource(ctx, p.node.at(place))
			if err == nil {
				p.from = p.node.keep(place, src)
			}
			return err
		})
	})
	if err != nil {
		return nil, "", err
	}
	return p.from.src.GetManifest(ctx, nil) // it has it already
}

// described is what a manifest is; want may be empty.
func described(body []byte, mediaType string, want digest.Digest) (oci.Descriptor, error) {
	d := oci.Descriptor{Digest: oci.Digest(body), MediaType: manifest.NormalizedMIMEType(mediaType), Size: int64(len(body))}
	if mediaType == "" || mediaType == "text/plain" || mediaType == "application/json" {
		d.MediaType = manifest.GuessMIMEType(body)
	}
	if want != "" && d.Digest != want {
		return d, &oci.DigestError{Want: oci.Descriptor{Digest: want}, Got: d.Digest}
	}
	return d, nil
}

// Close gives the connections back.
func (p *NodePull) Close() error {
	from := p.from
	p.from = nil
	return p.node.release(from)
}

// Choose gives the manifest that nodes of an architecture take from an index.
func (p *NodePull) Choose(arch string) (digest.Digest, error) {
	list, err := manifest.ListFromBlob(p.Body, p.Root.MediaType)
	if err != nil {
		return "", err
	}
	return list.ChooseInstance(&types.SystemContext{ArchitectureChoice: arch, OSChoice: "linux"})
}

// Manifest reads a manifest of the same repository, such as one that an index names.
func (p *NodePull) Manifest(ctx context.Context, d digest.Digest) (body []byte, of oci.Descriptor, err error) {
	if d == p.Root.Digest {
		return p.Body, p.Root, nil
	}
	err = p.node.try(ctx, p.At.Ref.Registry, func() error {
		return p.node.watched(ctx, func(ctx context.Context) error {
			b, mediaType, err := p.from.src.GetManifest(ctx, &d)
			if err == nil {
				of, err = described(b, mediaType, d)
			}
			body = b
			return err
		})
	})
	return body, of, err
}

// Open gives the bytes of a manifest or blob from an offset on, unverified.
func (p *NodePull) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if oci.IsManifest(d.MediaType) || d.Digest == p.Root.Digest {
		body, _, err := p.Manifest(ctx, d.Digest)
		if err != nil {
			return nil, p.said(err)
		}
		return io.NopCloser(bytes.NewReader(body[min(off, int64(len(body))):])), nil
	}
	var rc io.ReadCloser
	err := p.node.try(ctx, p.At.Ref.Registry, func() (err error) {
		rc, _, err = p.get(ctx, d)
		return err
	})
	if err != nil {
		return nil, p.said(err)
	}
	if _, err := io.CopyN(io.Discard, rc, off); err != nil {
		return nil, errors.Join(err, rc.Close())
	}
	return rc, nil
}

// said is an error with the words of [NodeTrouble]: addresses that storage is asked by have signatures.
func (p *NodePull) said(err error) error {
	sort, words := NodeTrouble(err)
	return &placeError{p.At.Ref.Name(), sort, words, err}
}

// nodeBlob is a blob of a repository that was asked for.
type nodeBlob struct {
	mu         sync.Mutex
	done, read bool
	err        error
}

// Blob asks for a blob, as nodes do, and compares its size; whole reads it and compares its digest. What
// was asked for in that repository is not asked for again.
func (p *NodePull) Blob(ctx context.Context, d oci.Descriptor, whole bool) error {
	key := p.At.Ref.Name() + "@" + d.Digest.String()
	p.node.mu.Lock()
	b := p.node.blobs[key]
	if b == nil {
		b = &nodeBlob{}
		p.node.blobs[key] = b
	}
	p.node.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done && (b.read || !whole || b.err != nil) {
		return b.err
	}
	err := p.node.try(ctx, p.At.Ref.Registry, func() error { return p.blob(ctx, d, whole) })
	if ctx.Err() == nil && !noConnection(err) { // a registry that is away may be back for the next
		b.done, b.read, b.err = true, whole, err
	}
	return err
}

// get asks for a blob. What it gives ends where the registry stands still.
func (p *NodePull) get(ctx context.Context, d oci.Descriptor) (io.ReadCloser, int64, error) {
	w := watch.New(ctx)
	w.Expect(p.node.stall())
	rc, size, err := p.from.src.GetBlob(p.node.signs(w), types.BlobInfo{Digest: d.Digest, Size: d.Size}, none.NoCache)
	w.Off()
	if err != nil {
		err = w.Cause(err)
		w.End()
		return nil, 0, err
	}
	return w.Body(rc, p.node.stall()), size, nil
}

func (p *NodePull) blob(ctx context.Context, d oci.Descriptor, whole bool) (err error) {
	rc, size, err := p.get(ctx, d)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := rc.Close(); whole {
			err = errors.Join(err, cerr)
		}
	}()
	if size >= 0 && size != d.Size {
		return &sizeError{size, d.Size}
	}
	if !whole && size >= 0 {
		return nil
	}
	if !whole { // the registry does not say how many bytes there are
		n, err := io.Copy(io.Discard, io.LimitReader(rc, d.Size+1))
		if err == nil && n != d.Size {
			err = &sizeError{n, d.Size}
		}
		return err
	}
	v := oci.NewVerifier(d)
	if _, err := io.Copy(v, rc); err != nil {
		return err
	}
	return v.Close()
}
