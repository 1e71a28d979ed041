package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// base says of what kind a probe's own manifests are; the zero value is OCI.
type base struct {
	docker bool
	list   bool // what names missing platforms is a Docker list
}

func (b base) image() string {
	if b.docker {
		return oci.MediaTypeDockerManifest
	}
	return oci.MediaTypeManifest
}

func (b base) index() string {
	if b.docker || b.list {
		return oci.MediaTypeDockerList
	}
	return oci.MediaTypeIndex
}

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
	bases := m.bases(images)
	if err := m.probeEach(ctx, m.Repos(missing), func(ref oci.Ref) (*probeContent, error) {
		return newProbeOf(bases[ref], sparse[ref])
	}); err != nil {
		return err
	}
	kinds, err := m.kindsOf(ctx, src, missing.Images, bases)
	if err != nil {
		return err
	}
	return m.probeEachKind(ctx, kinds)
}

// bases finds out where all images are Docker's.
func (m *Mirror) bases(images []oci.Image) map[oci.Ref]base {
	bases := map[oci.Ref]base{}
	for _, img := range images {
		if img.Subject != "" {
			continue
		}
		ref, of := m.target.Repo(img), img.Root.MediaType
		b, known := bases[ref]
		if !known {
			b = base{docker: true, list: true}
		}
		b.docker = b.docker && (of == oci.MediaTypeDockerManifest || of == oci.MediaTypeDockerList)
		b.list = b.list && (len(img.Omitted) == 0 || of == oci.MediaTypeDockerList)
		bases[ref] = b
	}
	return bases
}

// kind is a shape, and what has it.
type kind struct {
	shape shape
	repo  oci.Ref     // the first that gets one
	of    []oci.Image // of all repositories of the project
}

// kindsOf lists the kinds of manifests of images, but for what is attached to others, each
// once in a project: registries decide for all repositories of one alike. The ordinary ones
// of bases are not among them.
func (m *Mirror) kindsOf(ctx context.Context, src oci.Source, images []oci.Image, bases map[oci.Ref]base) (map[oci.Ref][]*kind, error) {
	type place struct {
		project string
		shape   shape
	}
	all := map[place]*kind{}
	for _, img := range images {
		if img.Subject != "" {
			continue
		}
		repo := m.target.Repo(img)
		project, _, _ := strings.Cut(repo.Repository, "/")
		known := map[digest.Digest]string{}
		err := oci.WalkImage(ctx, src, img, func(d oci.Descriptor, body []byte) error {
			if known[d.Digest] = d.MediaType; body == nil {
				known[d.Digest] = ""
				return nil
			}
			s, err := shapeOf(d, body, known)
			at := place{project, s}
			if err != nil || s == plain(bases[repo].image()) { // that one was tried
				return err
			}
			k := all[at]
			if k == nil {
				k = &kind{s, repo, nil}
				all[at] = k
			}
			if n := len(k.of); n == 0 || k.of[n-1].Source != img.Source {
				k.of = append(k.of, img)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	kinds := map[oci.Ref][]*kind{}
	for _, k := range all {
		kinds[k.repo] = append(kinds[k.repo], k)
	}
	return kinds, nil
}

func (m *Mirror) probeEachKind(ctx context.Context, kinds map[oci.Ref][]*kind) error {
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
func (r *Repository) probeManifestOf(ctx context.Context, k *kind) error {
	err := r.tryKind(ctx, k.shape)
	for n := 1; n < probeTries && lacksParts(err); n++ { // another run may have removed them
		if serr := retry.Sleep(ctx, time.Duration(n)*r.sender.client.retry.First); serr != nil {
			return serr
		}
		err = r.tryKind(ctx, k.shape)
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
	what := k.of[0].Source.String()
	if n := len(k.of) - 1; n > 0 {
		what = fmt.Sprintf("%s and %d more", what, n)
	}
	p.Err = fmt.Errorf("%s: %s: %w", what, k.shape, err)
	return p
}

// tryKind pushes a manifest of a shape, without a tag, looks at it as far as it is served,
// and removes it.
func (r *Repository) tryKind(ctx context.Context, s shape) error {
	c, err := newProbe(nil)
	if err != nil {
		return err
	}
	blobs, manifests, err := c.like(s, c.image)
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
		if c.own(b) {
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
func (r *Repository) sendProbe(ctx context.Context, c *probeContent, d oci.Descriptor, name string) error {
	return r.alonePush(r.toPush(ctx), func(ctx context.Context) error {
		return r.unbroken(ctx, func() error {
			_, err := r.sendManifest(ctx, d, c.body(d), name)
			return err
		})
	})
}

// own reports whether nothing else has these bytes, so that they may be removed.
func (c *probeContent) own(d oci.Descriptor) bool { return len(c.body(d)) > len("{}") }
