package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// maxNamed bounds how many manifests an error lists.
const maxNamed = 20

// Confirm asks the mirror for every manifest of the images as a node would: by GET, by
// digest, with no right but to pull, and compares the bytes; then for their tags and
// referrers. What [Mirror.Missing] has seen so is not asked for again if nothing was
// written since. What is absent is looked for again, for as long as an outage is waited for: one such time in all.
// src gives the indexes. The error joins a *[ManifestError] for each manifest that is not
// there as it must be, and a *[SignatureError] for each repository that refuses to say whether
// it has signatures (at most 20), or is a *[RegistryError].
func (m *Mirror) Confirm(ctx context.Context, src oci.Source, images []oci.Image) error {
	errs := make([]error, len(images))
	c := &confirming{m: m, src: src, wait: &patience{}}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for i, img := range images {
		g.Go(func() error {
			err := c.image(gctx, img)
			var wrong *ManifestError
			var unsaid *SignatureError
			switch {
			case errors.As(err, &wrong):
				errs[i], err = wrong, nil
			case errors.As(err, &unsaid):
				errs[i], err = unsaid, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return errors.Join(fewer(errs)...)
}

// fewer counts the errors beyond the first, and names one of them: a manifest, if one is there.
func fewer(errs []error) []error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	more := len(errs) - maxNamed
	if more <= 0 {
		return errs
	}
	isManifest := func(err error) bool { _, ok := errors.AsType[*ManifestError](err); return ok }
	one := errs[maxNamed:][max(0, slices.IndexFunc(errs[maxNamed:], isManifest))]
	return append(errs[:maxNamed:maxNamed], fmt.Errorf("%d more in the same way, such as %w", more, one))
}

// Lacks lists the images that the mirror does not give as a node must get them: by digest. A tag
// may name something else, or, but for those of attachments, nothing: see [Mirror.Left]. It asks
// once, as [Mirror.Confirm] does; a refusal is an error of type *[RegistryError]. With the list
// there may be an error that joins a *[SignatureError] for each repository, and nothing else.
func (m *Mirror) Lacks(ctx context.Context, src oci.Source, inv *oci.Inventory) ([]oci.Image, error) {
	c := &confirming{m: m, src: src, lax: true}
	var mu sync.Mutex
	var refused []error
	list, err := m.lacking(ctx, inv.Images, func(ctx context.Context, img oci.Image) (bool, error) {
		err := c.image(ctx, img)
		var wrong *ManifestError
		var unsaid *SignatureError
		switch {
		case errors.As(err, &wrong):
			return false, nil
		case errors.As(err, &unsaid):
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, unsaid)
			return true, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	return list, errors.Join(fewer(refused)...)
}

// confirming asks for manifests, each once in a repository.
type confirming struct {
	m     *Mirror
	walks oci.Walks
	src   oci.Source
	wait  *patience
	lax   bool     // tags of images count for nothing
	asked sync.Map // by full name: func() error
}

// image asks for all of an image, unless it is left out, or may be.
func (c *confirming) image(ctx context.Context, img oci.Image) error {
	if c.m.isOut(img) {
		return nil
	}
	return c.m.leaveOut(img, c.whole(ctx, img))
}

func (c *confirming) whole(ctx context.Context, img oci.Image) error {
	r, err := c.m.client.Repository(c.m.target.Repo(img))
	if err != nil {
		return err
	}
	if c.m.unchanged(img) {
		return c.signature(ctx, r, img)
	}
	err = c.walks.WalkIndexes(ctx, c.src, img, func(d oci.Descriptor, _ []byte) error {
		if !oci.IsManifest(d.MediaType) {
			return nil
		}
		once, _ := c.asked.LoadOrStore(r.name(d), sync.OnceValue(func() error { return c.manifest(ctx, r, d, img) }))
		return once.(func() error)()
	})
	if err != nil {
		return err
	}
	if err := c.tags(ctx, r, img); err != nil {
		return err
	}
	if img.Subject == "" || len(img.MirrorTags()) > 0 {
		return c.signature(ctx, r, img)
	}
	return c.until(ctx, r, &ManifestError{Repo: r.ref, Manifest: img.Root, Subject: img.Subject}, func() (bool, error) {
		return r.refersTo(ctx, img.Root, oci.Descriptor{Digest: img.Subject})
	})
}

// until looks for something until it is there; absent is the error if it never is.
func (c *confirming) until(ctx context.Context, r *Repository, absent *ManifestError, look func() (bool, error)) error {
	absent.Pushed = c.m.wasPushed(r, absent.Manifest)
	there, err := c.wait.until(ctx, r, look)
	if err == nil && !there {
		return absent
	}
	return err
}

func (c *confirming) manifest(ctx context.Context, r *Repository, d oci.Descriptor, img oci.Image) error {
	absent := &ManifestError{Repo: r.ref, Manifest: d}
	return c.until(ctx, r, absent, func() (bool, error) {
		there, err := r.givesTo(ctx, d, absent)
		var wrong *ManifestError
		if errors.As(err, &wrong) {
			wrong.Pushed = c.m.wasPushed(r, d)
		}
		if there || err != nil || d.Digest != img.Root.Digest || len(img.MirrorTags()) == 0 {
			return there, err
		}
		// Its tag may tell what the registry made of it.
		tag := img.MirrorTags()[0]
		if got, err := r.tagDigest(ctx, tag); err == nil && got != "" && got != d.Digest && c.m.wasPushed(r, d) {
			return false, &ManifestError{Repo: r.ref, Tag: tag, Manifest: d, Got: got, Pushed: true}
		}
		return false, nil
	})
}

// tags asks for the tags that an image is to have, and for what those name that stay as they are.
func (c *confirming) tags(ctx context.Context, r *Repository, img oci.Image) error {
	if c.lax {
		return c.ownTags(ctx, r, img)
	}
	names, err := c.m.wanted(ctx, c.src, img)
	if err != nil {
		return err
	}
	for _, n := range names {
		if c.m.tags.wasRefused(r.ref.WithTag(n.tag)) {
			continue
		}
		once, _ := c.asked.LoadOrStore(r.ref.WithTag(n.tag).String(), sync.OnceValue(func() error { return c.tag(ctx, r, n.tag, n.of) }))
		if err := once.(func() error)(); err != nil {
			return err
		}
	}
	for _, tag := range img.Tags {
		move, stays := c.m.tags.stays(r.ref.WithTag(tag))
		if !stays {
			continue
		}
		if move.Old, err = r.tagDigest(ctx, tag); err != nil && !isDamaged(err) {
			return err
		}
		c.m.tags.leave(move)
	}
	return nil
}

// ownTags notes which tags of an image name something else. Of an attachment, which is read by
// tag, none may be absent.
func (c *confirming) ownTags(ctx context.Context, r *Repository, img oci.Image) error {
	for _, tag := range img.Tags {
		got, err := r.tagDigest(ctx, tag)
		switch {
		case isDamaged(err) && img.Subject != "", err == nil && got == "" && img.Subject != "":
			return c.tag(ctx, r, tag, img.Root)
		case err != nil && !isDamaged(err):
			return err
		case got != img.Root.Digest:
			c.m.tags.leave(TagMove{Image: img, Tag: r.ref.WithTag(tag), Old: got, New: img.Root.Digest})
		}
	}
	return nil
}

func (c *confirming) tag(ctx context.Context, r *Repository, tag string, root oci.Descriptor) error {
	var got digest.Digest
	wrong := &ManifestError{Repo: r.ref, Tag: tag, Manifest: root}
	err := c.until(ctx, r, wrong, func() (_ bool, err error) {
		got, err = r.tagDigest(ctx, tag)
		return got == root.Digest, err
	})
	if isDamaged(err) {
		wrong.Status, err = statusIn(err), wrong
	}
	wrong.Got = got
	return err
}

// nodeTypes are the media types that nodes ask for (containers/image,
// manifest.DefaultRequestedManifestMIMETypes).
func nodeTypes() []string {
	return []string{
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.docker.distribution.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json",
	}
}
