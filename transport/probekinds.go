package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
// one, and removes it. images are all that the mirror is to have, src gives their manifests.
// The error joins a *[ProbeError] for each repository that refuses something.
func (m *Mirror) ProbeImages(ctx context.Context, src oci.Source, images []oci.Image, missing *Missing) error {
	sparse, err := m.Sparse(ctx, src, missing.Images)
	if err != nil {
		return err
	}
	bases := probe.Bases(m.target, images)
	if err := m.probeEach(ctx, m.Repos(missing), func(ref oci.Ref) (*probe.Content, error) {
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
		there, lerr := r.gives(r.toPush(ctx), d)
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
