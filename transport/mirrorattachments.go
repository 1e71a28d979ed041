package transport

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// RefusedImage is an image that the mirror does not take and that may be left out, see
// [Mirror].Optional.
type RefusedImage struct {
	Image oci.Image
	Err   error // what the mirror answered
}

// leftOut is what is left out so far.
type leftOut struct {
	mu   sync.Mutex
	list map[string]RefusedImage
}

func (m *Mirror) imageKey(img oci.Image) string {
	return m.target.Repo(img).WithDigest(img.Root.Digest).String() + " " + strings.Join(img.Tags, " ")
}

// leaveOut notes an image that may be left out, with what the mirror answered; any
// other error, or one of any other image, is returned.
func (m *Mirror) leaveOut(img oci.Image, err error) error {
	if err == nil || m.Optional == nil || !saidNo(err) || !m.Optional(img) {
		return err
	}
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	if m.left.list == nil {
		m.left.list = map[string]RefusedImage{}
	}
	if key := m.imageKey(img); m.left.list[key].Err == nil {
		m.left.list[key] = RefusedImage{img, err}
	}
	return nil
}

// isOut reports whether an image is left out.
func (m *Mirror) isOut(img oci.Image) bool {
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	return m.left.list[m.imageKey(img)].Err != nil
}

// Refused lists the images that were left out so far, by name.
func (m *Mirror) Refused() []RefusedImage {
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	list := make([]RefusedImage, 0, len(m.left.list))
	for _, r := range m.left.list {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b RefusedImage) int { return cmp.Compare(m.imageKey(a.Image), m.imageKey(b.Image)) })
	return list
}

// saidNo reports whether an error is what a registry answered for good: the registry is
// there, and has room. Some answer 500 to what they do not support.
func saidNo(err error) bool {
	var answer *RegistryError
	var blob *BlobError
	var manifest *ManifestError
	if errors.As(err, &blob) || errors.As(err, &manifest) {
		return true
	}
	if !errors.As(err, &answer) || answer.Status < 400 {
		return false
	}
	switch answer.Trouble() {
	case TroubleFull, TroubleQuota:
		return false
	}
	switch answer.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}

// alike is what attachments of one repository have in common as far as a registry may
// look at it.
type alike struct {
	probe.Shape
	repo   oci.Ref
	suffix string // of the tag, such as ".sig"
}

// ProbeAttachments finds out whether the mirror takes what is attached to other images:
// into each repository it pushes a manifest of the same kind, attached to the probe's
// image, and removes it again. What may be left out is, see [Mirror.Refused]; the error
// joins a *[ProbeError] for each repository that refuses anything else.
func (m *Mirror) ProbeAttachments(ctx context.Context, src oci.Source, images []oci.Image) error {
	kinds := map[oci.Ref]map[alike][]oci.Image{}
	for _, img := range images {
		if img.Subject == "" {
			continue
		}
		k, err := m.kindOf(ctx, src, img)
		if err != nil {
			return err
		}
		if kinds[k.repo] == nil {
			kinds[k.repo] = map[alike][]oci.Image{}
		}
		kinds[k.repo][k] = append(kinds[k.repo][k], img)
	}
	var mu sync.Mutex
	var found []error
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for repo, of := range kinds {
		g.Go(func() error {
			err := m.probeKinds(gctx, repo, of)
			var p *ProbeError
			if errors.As(err, &p) {
				mu.Lock()
				defer mu.Unlock()
				found, err = append(found, p), nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(found...)
}

// probeKinds tries each kind of attachment in a repository, one after the other: they
// share what they are attached to.
func (m *Mirror) probeKinds(ctx context.Context, repo oci.Ref, of map[alike][]oci.Image) error {
	r, err := m.client.Repository(repo)
	if err != nil {
		return err
	}
	for k, list := range of {
		err := r.probeKind(ctx, k)
		for n := 1; n < probeTries && lacksParts(err); n++ { // another run removed it
			if serr := retry.Sleep(ctx, time.Duration(n)*m.client.retry.First); serr != nil {
				return serr
			}
			err = r.probeKind(ctx, k)
		}
		if err != nil && !saidNo(err) {
			return err
		}
		for _, img := range list {
			if m.leaveOut(img, err) != nil {
				return &ProbeError{repo, ProblemAttachment, err}
			}
		}
	}
	return nil
}

func (m *Mirror) kindOf(ctx context.Context, src oci.Source, img oci.Image) (alike, error) {
	s, err := probe.RootShape(ctx, src, img)
	k := alike{Shape: s, repo: m.target.Repo(img)}
	if len(img.Tags) > 0 {
		k.suffix = path.Ext(img.Tags[0])
	}
	return k, err
}

// probeKind pushes a manifest of a kind, and removes it. The empty JSON stays: others may
// have it too.
func (r *Repository) probeKind(ctx context.Context, k alike) error {
	c, err := probe.New(probe.Base{}, nil)
	if err != nil {
		return err
	}
	blobs, manifests, err := c.Like(k.Shape, c.Image)
	if err != nil {
		return err
	}
	below, d := manifests[:len(manifests)-1], manifests[len(manifests)-1]
	var pushed []string
	defer func() { r.removeProbe(ctx, pushed) }()
	for _, b := range append(blobs, c.Config) {
		if err := r.putBlob(ctx, c, b, oci.Ref{}); err != nil {
			return err
		}
		if path := "blobs/" + b.Digest.String(); c.Own(b) && !slices.Contains(pushed, path) {
			pushed = append(pushed, path)
		}
	}
	name := d.Digest.String()
	if k.suffix != "" {
		name = fallbackTag(c.Image) + k.suffix
	}
	if err := r.putManifest(ctx, c.Image, c.Body(c.Image), ProbeTag); err != nil && !isTagError(err) {
		return err
	}
	pushed = slices.Insert(pushed, 0, "manifests/"+c.Image.Digest.String())
	for _, b := range below {
		if err := r.putManifest(ctx, b, c.Body(b), b.Digest.String()); err != nil {
			return err
		}
		pushed = slices.Insert(pushed, 0, "manifests/"+b.Digest.String())
	}
	err = r.sendProbe(ctx, c, d, name)
	if err = explain("push", r.name(d), err); refuses(err) {
		err = r.unlessThere(ctx, d, name, err)
	}
	if err != nil && !isTagError(err) {
		return changed(r.ref, tagIn(d, name), d, err)
	}
	pushed = slices.Insert(pushed, 0, "manifests/"+d.Digest.String())
	return nil
}

func isTagError(err error) bool {
	var tag *TagError
	return errors.As(err, &tag)
}
