package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/order"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// Manifests stores the manifests of the images, each image's children before
// their parents and by digest, its root under each of its tags that does not name it yet, or by
// digest if there is none. A tag that the registry does not let move is no error, but for
// attachments, which are read by tag: see [Mirror.Left]. What a tag named before keeps the tag of its
// digest. An image comes before those that contain it, and what is attached to other
// images after them. The mirror must hold the blobs. Errors are as those of [Mirror.Blobs].
func (m *Mirror) Manifests(ctx context.Context, src oci.Source, images []oci.Image) error {
	p := &pushing{m: m, src: src, wait: &patience{}}
	for _, attached := range []bool{false, true} {
		var now []oci.Image
		for _, img := range images {
			if attached == (img.Subject != "") && !m.isOut(img) {
				now = append(now, img)
			}
		}
		waves, err := order.Waves(ctx, src, m.target, now)
		if err != nil {
			return err
		}
		for _, wave := range waves {
			if err := p.images(ctx, wave); err != nil {
				return err
			}
		}
	}
	return nil
}

// pushing is one run of [Mirror.Manifests].
type pushing struct {
	m     *Mirror
	walks oci.Walks
	src   oci.Source
	turns order.Turns
	wait  *patience
}

// images stores images none of which contains another of them.
func (p *pushing) images(ctx context.Context, images []oci.Image) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.m.parallel)
	for _, img := range images {
		g.Go(func() error {
			if err := p.m.leaveOut(img, p.image(ctx, img)); err != nil {
				return fmt.Errorf("image %s: %w", img.Source, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *pushing) image(ctx context.Context, img oci.Image) error {
	r, err := p.m.client.Repository(p.m.target.Repo(img))
	if err != nil {
		return err
	}
	names, err := p.m.wanted(ctx, p.src, img)
	if err != nil {
		return err
	}
	p.m.seen.written.Store(true)
	return p.walks.WalkImage(ctx, p.src, img, func(d oci.Descriptor, body []byte) error {
		if body == nil {
			return nil
		}
		one := p.turns.Take(r.name(d))
		defer one.Unlock()
		return p.manifest(ctx, r, one, stored{img, d, body}, names)
	})
}

// putSoon is putManifest that waits, once for all manifests, where the registry says that it
// lacks parts of this one that it took in this run: some stores are consistent later.
func (p *pushing) putSoon(ctx context.Context, r *Repository, img oci.Image, d oci.Descriptor, body []byte, reference string) (took bool, err error) {
	var refusal error
	_, err = p.wait.until(ctx, r, func() (bool, error) {
		var err error
		took, err = r.putOrFind(ctx, d, body, reference)
		refusal = nil
		if lacksParts(err) && len(img.Omitted) == 0 && p.m.pushedParts(r, d, body) {
			refusal, err = err, nil
		}
		return refusal == nil && err == nil, err
	})
	err = errors.Join(err, refusal)
	p.ruled(ctx, r, d, body, err)
	return took, err
}

// ruled notes of a refusal that the registry has taken other content of the repository: who may
// push there is not the question then.
func (p *pushing) ruled(ctx context.Context, r *Repository, d oci.Descriptor, body []byte, err error) {
	var answer *RegistryError
	if !errors.As(err, &answer) || answer.Status != http.StatusForbidden || isTagError(err) {
		return
	}
	there, looked := r.gives(r.toPush(ctx), d)
	answer.rule = p.m.pushedParts(r, d, body) || there && looked == nil
}

// pushedParts reports whether the mirror took, in this run, one of what a manifest names, and
// nothing else than that can be missing.
func (m *Mirror) pushedParts(r *Repository, d oci.Descriptor, body []byte) bool {
	parts, err := oci.Children(d, body)
	if err != nil {
		return false
	}
	took := false
	for _, part := range parts {
		if oci.IsForeign(part.MediaType) {
			return false
		}
		took = took || m.wasSent(r, part)
	}
	return took
}

// putManifest stores a manifest, bytes as they are, under a tag or its digest. A refusal
// does not matter where it is there already: registries with immutable tags refuse to be
// sent the same again.
func (r *Repository) putManifest(ctx context.Context, d oci.Descriptor, body []byte, reference string) error {
	_, err := r.putOrFind(ctx, d, body, reference)
	return err
}

// putOrFind is putManifest that reports whether the registry took it, or had it already.
func (r *Repository) putOrFind(ctx context.Context, d oci.Descriptor, body []byte, reference string) (took bool, err error) {
	d = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	name := r.name(d)
	if reference != d.Digest.String() {
		name = r.ref.WithTag(reference).String()
	}
	err = r.alonePush(r.toPush(ctx), func(ctx context.Context) error {
		return r.unbroken(ctx, func() error { return r.storeManifest(ctx, d, body, reference) })
	})
	if err = explain("push", name, err); !refuses(err) {
		err = changed(r.ref, tagIn(d, reference), d, err)
		return err == nil, err
	}
	return false, r.unlessThere(ctx, d, reference, err)
}

// tagIn is what a reference to d is, if it is not its digest.
func tagIn(d oci.Descriptor, reference string) string {
	if reference == d.Digest.String() {
		return ""
	}
	return reference
}

// unlessThere ignores a refusal to store what is there already. A tag that names something
// else is a *[TagError].
func (r *Repository) unlessThere(ctx context.Context, d oci.Descriptor, reference string, refusal error) error {
	ctx = r.toPush(ctx)
	tag := tagIn(d, reference)
	if tag != "" {
		got, err := r.tagDigest(ctx, tag)
		switch {
		case isDamaged(err): // maybe because the manifest is
		case err != nil || got == "":
			return refusal
		case got != d.Digest:
			return &TagError{Ref: r.ref.WithTag(reference), Got: got, Manifest: d, Err: refusal}
		default:
			return nil
		}
	}
	there, err := r.gives(ctx, d)
	if wrong, ok := errors.AsType[*ManifestError](err); ok && wrong.Status != 0 {
		return wrong
	}
	if tag == "" && err == nil && there {
		return nil
	}
	return refusal
}

// TagError says that a registry does not let a tag name another manifest.
type TagError struct {
	Ref      oci.Ref
	Got      digest.Digest // what the tag names
	Manifest oci.Descriptor
	Err      error // what the registry answered
}

func (e *TagError) Error() string {
	return fmt.Sprintf("%s (the tag names another manifest already, %s, and %s should take its place)", e.Err.Error(), reply.OneLine(e.Got.String()), e.Manifest.Digest)
}

func (e *TagError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *TagError) Hint() string {
	return "if tags are immutable in this registry, allow them to be overwritten in this repository, or delete this tag there; then run the same command again"
}

// Permanent reports whether the refusal stays one.
func (e *TagError) Permanent() bool { return refuses(e.Err) }

// changedError says that a registry stored something as another digest than that of its bytes.
type changedError struct{ as digest.Digest }

func (e *changedError) Error() string {
	return "the registry stored it as " + reply.OneLine(e.as.String())
}

// changed makes a *[ManifestError] of the answer of a registry that stored a manifest in other bytes.
func changed(repo oci.Ref, tag string, d oci.Descriptor, err error) error {
	var other *changedError
	if !errors.As(err, &other) {
		return err
	}
	return &ManifestError{Repo: repo, Tag: tag, Manifest: d, Got: other.as, Pushed: true}
}

// ManifestError says that the mirror does not give a manifest as a node must get it.
type ManifestError struct {
	Repo     oci.Ref
	Tag      string // by which it was asked for; "" for its digest
	Manifest oci.Descriptor
	Got      digest.Digest // of the bytes that it gives instead; "" if it gives none
	Type     string        // the media type that it gives, where that is what is wrong
	Subject  digest.Digest // it is not listed among the referrers of this manifest
	Status   int           // HTTP status of the answer to each request for it, where others are served; else 0
	Pushed   bool          // it was pushed in this run, and the registry took it

	said       string // of an absence, by the registry
	asked      bool   // in other words too, see givesTo
	unaccepted bool   // it is there, and not given to who asks as nodes do
}

func (e *ManifestError) Error() string {
	name, what := e.Repo.WithDigest(e.Manifest.Digest).String(), ""
	if e.Tag != "" {
		name = e.Repo.WithTag(e.Tag).String()
	}
	switch {
	case e.Status != 0:
		what = e.failed()
	case e.Type != "":
		what = fmt.Sprintf("the registry changed the media type of this manifest: it gives %s as %q", e.Manifest.MediaType, reply.OneLine(e.Type))
	case e.Subject != "":
		what = "the registry has this manifest and does not list it as a referrer of " + e.Subject.String()
	case e.Got != "" && (e.Pushed || e.Tag == ""):
		what = fmt.Sprintf("the registry changed this manifest: it has %s instead of %s", reply.OneLine(e.Got.String()), e.Manifest.Digest)
	case e.Got != "":
		what = fmt.Sprintf("the tag names another manifest, %s instead of %s", reply.OneLine(e.Got.String()), e.Manifest.Digest)
	case e.unaccepted:
		what = "the registry accepted this manifest, and does not give it to a node" + e.answered()
	case e.Pushed:
		what = "the registry accepted this manifest and does not have it" + e.answered()
	default:
		what = "the registry does not have this manifest" + e.answered()
	}
	return fmt.Sprintf("check %s: %s", name, what)
}

// answered is what the registry said of an absence.
func (e *ManifestError) answered() string {
	if e.said == "" {
		return ""
	}
	return " (it answered 404 " + e.said + ")"
}

// failed says what the registry answers so to.
func (e *ManifestError) failed() string {
	what := "this manifest"
	switch {
	case e.Subject != "":
		what = "the referrers of " + e.Subject.String()
	case e.Tag != "":
		what = "this tag"
	}
	said := fmt.Sprintf("answers %d to each request for %s, and serves others: what it has stored of it is damaged", e.Status, what)
	if e.Pushed {
		return "the registry accepted this manifest, and still " + said
	}
	return "the registry " + said
}

// Hint says what to do now.
func (e *ManifestError) Hint() string {
	switch {
	case e.Status != 0 && e.Subject != "":
		return hintRemove("list of referrers", tagFile(e.Repo, fallbackTag(oci.Descriptor{Digest: e.Subject}))+", and the manifest that it names in docker/registry/v2/blobs")
	case e.Status != 0 && e.Tag != "":
		return hintRemove("tag", tagFile(e.Repo, e.Tag)+", and the manifest that it names in docker/registry/v2/blobs")
	case e.Status != 0:
		return hintRemove("manifest", blobFile(e.Manifest.Digest))
	case e.Subject != "":
		return "tools that look for signatures and the like will not find it; " + hintAgain
	case e.Type != "" || e.Got != "" && (e.Pushed || e.Tag == ""):
		said := "nodes pull by digest, so a mirror must keep manifests byte for byte: have the registry, or the proxy in front of it, leave them as they are pushed"
		if e.Type == "" && e.Tag == "" {
			said += "; if only few are changed, " + hintRemove("manifest", blobFile(e.Manifest.Digest))
		}
		return said
	case e.Got != "":
		return "someone else pushed this tag: run the same command again"
	case e.unaccepted:
		return "nodes name each media type that they take in an Accept line of its own: have the proxy in front of the registry pass on all Accept lines as they come"
	case e.Pushed:
		return "the registry drops what it accepts, or it, or a cache in front of it, still says that the manifest is not there (after garbage collection, restart the registry and empty its cache): " + hintAgain
	}
	return hintAgain
}

// Permanent is true: the registry answered.
func (e *ManifestError) Permanent() bool { return true }
