package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
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

// Lacks lists the images that the mirror does not give as a node must get them. It asks
// once, as [Mirror.Confirm] does; a refusal is an error of type *[RegistryError]. With the list
// there may be an error that joins a *[SignatureError] for each repository, and nothing else.
func (m *Mirror) Lacks(ctx context.Context, src oci.Source, inv *oci.Inventory) ([]oci.Image, error) {
	c := &confirming{m: m, src: src}
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
	src   oci.Source
	wait  *patience
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
	err = oci.WalkIndexes(ctx, c.src, img, func(d oci.Descriptor, _ []byte) error {
		if !oci.IsManifest(d.MediaType) {
			return nil
		}
		once, _ := c.asked.LoadOrStore(r.name(d), sync.OnceValue(func() error { return c.manifest(ctx, r, d, img) }))
		return once.(func() error)()
	})
	if err != nil {
		return err
	}
	for _, tag := range img.MirrorTags() {
		if err := c.tag(ctx, r, tag, img.Root); err != nil {
			return err
		}
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
	return c.until(ctx, r, &ManifestError{Repo: r.ref, Manifest: d}, func() (bool, error) {
		there, err := r.gives(ctx, d)
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

// gives asks for a manifest by digest, as a node would, and reports whether it is there.
// Other bytes, or a media type that a node would take for another kind of manifest, are a
// *[ManifestError], and so is damage.
func (r *Repository) gives(ctx context.Context, d oci.Descriptor) (bool, error) {
	var resp *http.Response
	var body []byte
	err := r.alone(ctx, func(ctx context.Context) (err error) {
		body, err = r.whole(ctx, oci.MaxManifestSize, func(ctx context.Context) (_ io.ReadCloser, err error) {
			if resp, err = r.ask(ctx, http.MethodGet, "manifests/"+d.Digest.String(), http.Header{"Accept": nodeTypes()}); err != nil {
				return nil, err
			}
			if resp.StatusCode != http.StatusOK {
				return nil, responseError(resp)
			}
			return resp.Body, nil
		})
		return err
	})
	switch {
	case statusIn(err) == http.StatusNotFound:
		return false, nil
	case isDamaged(err):
		return false, &ManifestError{Repo: r.ref, Manifest: d, Status: statusIn(err)}
	case err != nil:
		return false, explain("check", r.name(d), err)
	}
	if reply.Encoding(resp) == "gzip" { // nodes take that
		body, _ = reply.Decoded(body, d.Digest, d.Size)
	}
	if got := oci.Digest(body); got != d.Digest {
		return false, &ManifestError{Repo: r.ref, Manifest: d, Got: got}
	}
	if t := mediaType(resp); oci.IsManifest(d.MediaType) && (!oci.IsManifest(t) || oci.IsIndex(t) != oci.IsIndex(d.MediaType)) {
		return false, &ManifestError{Repo: r.ref, Manifest: d, Type: cmp.Or(resp.Header.Get("Content-Type"), "none")}
	}
	return true, nil
}

// SignatureError says that a mirror refuses to say whether a signature is there. A node
// that looks for one, because of a policy, takes that for a failure and pulls nothing
// (containers/image: anything but 404 is one).
type SignatureError struct {
	Repo oci.Ref
	Tag  string // where it would be
	Err  error
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("check %s: the registry gives the image, and refuses to say whether it is signed: %s; nodes that look for a signature would not pull it", e.Repo.WithTag(e.Tag), reason(e.Err))
}

func (e *SignatureError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *SignatureError) Hint() string {
	if isDamaged(e.Err) {
		return hintRemove("tag", tagFile(e.Repo, e.Tag))
	}
	return "have the registry, or the proxy in front of it, answer 404 for a tag that does not exist"
}

// absentOrThere reports whether a status answers the question for a tag.
func absentOrThere(status int) bool { return status/100 == 2 || status == http.StatusNotFound }

// passes reports whether a status is that of a registry, or proxy, which is busy or away.
func passes(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusProxyAuthRequired,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// signature looks, once a repository, for the tag of a signature as nodes do.
func (c *confirming) signature(ctx context.Context, r *Repository, img oci.Image) error {
	if img.Subject != "" {
		return nil
	}
	if _, asked := c.asked.LoadOrStore("signature "+r.ref.Name(), nil); asked {
		return nil
	}
	tag := fallbackTag(img.Root) + ".sig"
	look := func(at *Repository) error {
		return at.alone(ctx, func(ctx context.Context) error {
			resp, err := at.ask(ctx, http.MethodGet, "manifests/"+tag, http.Header{"Accept": nodeTypes()})
			if err != nil {
				return explain("check", r.ref.WithTag(tag).String(), err)
			}
			if !absentOrThere(resp.StatusCode) {
				return explain("check", r.ref.WithTag(tag).String(), answerError(resp))
			}
			reply.Drain(resp)
			return nil
		})
	}
	err := look(r)
	if uncertain(statusIn(err)) {
		err = look(r.renewed())
	}
	if s := statusIn(err); s != 0 && !passes(s) {
		return &SignatureError{Repo: r.ref, Tag: tag, Err: err}
	}
	return err
}
