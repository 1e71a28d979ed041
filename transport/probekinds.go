package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// ProbeImages is [Mirror.Probe] of every repository that something is missing from, by
// what comes there: where all images are Docker's, the probe is too. Then it pushes one
// manifest of each kind that comes (by media type, artifact type, types of config, layers and
// manifests, with subject or without), into the first repository of each project that gets
// one, and removes it. images are all that the mirror is to have, src gives their manifests;
// others are further repositories that will be written. The error joins a *[ProbeError] for each repository that refuses something.
func (m *Mirror) ProbeImages(ctx context.Context, src oci.Source, images []oci.Image, missing *Missing, others ...oci.Ref) error {
	sparse, err := m.Sparse(ctx, src, missing.Images)
	if err != nil {
		return err
	}
	bases := probe.Bases(m.target, images)
	docker := len(bases) > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(bases)), func(b probe.Base) bool { return !b.Docker })
	for _, ref := range others {
		bases[ref] = probe.Base{Docker: docker, List: docker}
	}
	if err := m.probeEach(ctx, append(m.Repos(missing), others...), func(ref oci.Ref) (*probe.Content, error) {
		return probe.New(bases[ref], sparse[ref])
	}); err != nil {
		return err
	}
	kinds, err := probe.Kinds(ctx, src, m.target, missing.Images, bases)
	if err != nil {
		return err
	}
	return m.probeEachKind(ctx, kinds)
}

func (m *Mirror) probeEachKind(ctx context.Context, kinds map[oci.Ref][]*probe.Kind) error {
	var mu sync.Mutex
	var found []*ProbeError
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for repo, list := range kinds {
		g.Go(func() error {
			r, err := m.client.Repository(repo)
			if err != nil {
				return err
			}
			for _, k := range list { // one after the other: they share what they need
				err := r.probeManifestOf(gctx, k)
				var p *ProbeError
				if errors.As(err, &p) {
					mu.Lock()
					found = append(found, p)
					mu.Unlock()
				} else if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b *ProbeError) int { return cmp.Compare(a.Error(), b.Error()) })
	errs := make([]error, len(found))
	for i, p := range found {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// probeManifestOf tries one kind in a repository.
func (r *Repository) probeManifestOf(ctx context.Context, k *probe.Kind) error {
	err := r.tryKind(ctx, k.Shape)
	for n := 1; n < probeTries && lacksParts(err); n++ { // another run may have removed them
		if serr := retry.Sleep(ctx, time.Duration(n)*r.sender.client.retry.First); serr != nil {
			return serr
		}
		err = r.tryKind(ctx, k.Shape)
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	p := &ProbeError{r.ref, classify(err), err}
	var wrong *ManifestError
	switch {
	case errors.As(err, &wrong) && wrong.unaccepted:
		p.Problem = ProblemAccept
	case errors.As(err, &wrong) && wrong.Status != 0:
		p.Problem = ProblemDrops
	case errors.As(err, &wrong):
		p.Problem = ProblemChanges
	case !saidNo(err) || p.Problem == ProblemFull, p.Problem == ProblemQuota:
		return p
	default:
		p.Problem = ProblemKind
	}
	what := k.Of[0].Source.String()
	if n := len(k.Of) - 1; n > 0 {
		what = fmt.Sprintf("%s and %d more", what, n)
	}
	p.Err = fmt.Errorf("%s: %s: %w", what, k.Shape, err)
	return p
}

// tryKind pushes a manifest of a shape, without a tag, looks at it as far as it is served,
// and removes it.
func (r *Repository) tryKind(ctx context.Context, s probe.Shape) error {
	c, err := probe.New(probe.Base{}, nil)
	if err != nil {
		return err
	}
	blobs, manifests, err := c.Like(s, c.Image)
	if err != nil {
		return err
	}
	var pushed []string
	defer func() { r.removeProbe(ctx, pushed) }()
	for _, b := range blobs {
		path := "blobs/" + b.Digest.String()
		if slices.Contains(pushed, path) {
			continue
		}
		if err := r.putBlob(ctx, c, b, oci.Ref{}); err != nil {
			return err
		}
		if c.Own(b) {
			pushed = append(pushed, path)
		}
	}
	for _, d := range manifests {
		err := r.sendProbe(ctx, c, d, d.Digest.String())
		there, lerr := r.givesTo(r.toPush(ctx), d, &ManifestError{Pushed: err == nil})
		if err != nil && !there { // it may be there from another run, where nothing can be sent twice
			return changed(r.ref, "", d, explain("push", r.name(d), err))
		}
		pushed = slices.Insert(pushed, 0, "manifests/"+d.Digest.String())
		if lerr != nil {
			return lerr
		}
	}
	return nil
}

// sendProbe pushes a manifest without an index of referrers, which would stay.
func (r *Repository) sendProbe(ctx context.Context, c *probe.Content, d oci.Descriptor, name string) error {
	return r.alonePush(r.toPush(ctx), func(ctx context.Context) error {
		return r.unbroken(ctx, func() error {
			_, err := r.sendManifest(ctx, d, c.Body(d), name)
			return err
		})
	})
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
