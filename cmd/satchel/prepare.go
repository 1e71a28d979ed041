package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// preparing is what pack does before its first byte, and all that plan does: it
// finds out what a configuration carries.
type preparing struct {
	*app
	config         string // file of cfg
	cfg            *manifests.Config
	client         *transport.Client
	cache          *cache.Cache
	made           *cache.Cache           // of a bundle that was begun: what was made for it; else nil
	ours           map[digest.Digest]bool // what that is
	only           *gapList               // what --only names; nil without
	onlyFile       string
	keepGoing      bool
	parallelImages int
	parallelLayers int
	place          oci.Mirror // that the cluster's YAML in the bundle is for
	catalogs       catalogDirs

	inv     *oci.Inventory
	graph   *oci.Graph
	gaps    gapList
	foreign map[digest.Digest]bool // foreign layers that were said to be left out
}

// openCache gives the cache of manifests and other small content. A run can do without.
func (a *app) openCache() *cache.Cache {
	dir, err := xdg("XDG_CACHE_HOME", ".cache")
	if err != nil {
		a.warn("no cache: %v; what is read now is read again next time", err)
	} else {
		dir = filepath.Join(dir, "content")
	}
	return cache.Optional(dir, os.TempDir(), func(err error) {
		a.warn("the cache in %s cannot be used; what is read now is read again next time: %v", dir, err)
	})
}

// prepare pins the images, reads all their manifests, finds what is attached to
// them, and asks for every blob.
func (p *preparing) prepare(ctx context.Context) error {
	if err := p.resolve(ctx); err != nil {
		return err
	}
	if err := p.survey(ctx); err != nil {
		return err
	}
	if err := p.attach(ctx); err != nil {
		return err
	}
	if err := p.place.CheckCollisions(p.inv); err != nil {
		return err
	}
	if err := p.checkSources(ctx); err != nil {
		return err
	}
	for _, note := range manifests.SigstoreNotes(p.inv) {
		p.warn("%s", note)
	}
	return nil
}

// repos gives the source repositories that a node can be had from, each once: none
// for what satchel made, which is in the cache. Of an image that it made from
// another, that other's repository has the layers that were kept.
func (p *preparing) repos(n oci.Node) []oci.Ref {
	var list []oci.Ref
	for _, i := range n.Images {
		img := p.inv.Images[i]
		ref := img.Source
		if img.Built {
			if ref = img.Base; ref == (oci.Ref{}) || oci.IsManifest(n.Descriptor.MediaType) || p.ours[n.Descriptor.Digest] {
				continue
			}
		}
		switch ref = ref.Repo(); {
		case slices.Contains(list, ref):
		case p.catalogs.of(ref) != nil: // what is on this host need not be downloaded
			list = slices.Insert(list, 0, ref)
		default:
			list = append(list, ref)
		}
	}
	return list
}

// checkSources asks for every blob once, before the first one is fetched.
func (p *preparing) checkSources(ctx context.Context) error {
	if err := p.checkForeign(ctx); err != nil {
		return err
	}
	absent, err := p.absent(ctx, p.graph.Blobs)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range absent {
		errs = append(errs, p.refused(n.Node, n.why))
	}
	if len(errs) == 0 {
		return nil
	}
	if err := p.tolerate(errors.Join(errs...)); err != nil {
		return err
	}
	return errors.Join(p.survey(ctx), p.checkForeign(ctx))
}

// checkForeign takes foreign layers that their registry does not have out of
// what is fetched, and lists them. They are never fetched from elsewhere.
func (p *preparing) checkForeign(ctx context.Context) error {
	foreign := slices.DeleteFunc(slices.Clone(p.graph.Blobs), func(n oci.Node) bool { return !oci.IsForeign(n.Descriptor.MediaType) })
	absent, err := p.absent(ctx, foreign)
	if err != nil {
		return err
	}
	for _, n := range absent {
		if !p.foreign[n.Descriptor.Digest] {
			p.foreign[n.Descriptor.Digest] = true
			p.info("not carried: foreign layer %s of %s, which its registry does not have", n.Descriptor.Digest, p.inv.Images[n.Images[0]].Source)
		}
	}
	p.graph.Blobs = slices.DeleteFunc(p.graph.Blobs, func(n oci.Node) bool {
		return slices.ContainsFunc(absent, func(a lost) bool { return a.Descriptor.Digest == n.Descriptor.Digest })
	})
	return nil
}

// lost is content that its repositories definitely do not give.
type lost struct {
	oci.Node
	why error
}

// absent finds the blobs that none of their repositories has.
func (p *preparing) absent(ctx context.Context, nodes []oci.Node) ([]lost, error) {
	why := make([]error, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.parallelLayers * 2)
	for i, n := range nodes {
		g.Go(func() error {
			why[i] = p.look(ctx, n)
			if why[i] == nil || definite(why[i]) {
				return nil
			}
			return p.blame(n, why[i])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []lost
	for i, n := range nodes {
		if why[i] != nil {
			list = append(list, lost{n, why[i]})
		}
	}
	return list, nil
}

// look asks the node's repositories whether they have it, until one does.
func (p *preparing) look(ctx context.Context, n oci.Node) error {
	if p.isKept(n.Descriptor) { // made here, or read before
		return nil
	}
	var errs []error
	for _, ref := range p.repos(n) {
		repo, err := p.repository(ref)
		if err != nil {
			return err
		}
		ok, err := repo.Has(ctx, n.Descriptor)
		if ok || ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = &transport.RegistryError{Op: "check", Ref: ref.WithDigest(n.Descriptor.Digest).String(), Status: 404,
				Message: "the registry has the manifest but not this blob"}
		}
		errs = append(errs, err)
	}
	return decisive(errs)
}

// errMadeLost says that content which no registry has is not in the cache.
var errMadeLost = errors.New("it was made for this bundle, and is on this host no more; begin anew with --restart")

// decisive picks, of what several repositories said, an error that may pass:
// content is only lost when all of them have definitely refused it.
func decisive(errs []error) error {
	if len(errs) == 0 {
		return errMadeLost
	}
	for _, err := range errs {
		if !definite(err) {
			return err
		}
	}
	return errs[0]
}

// refused makes a gap of every image that needs the node.
func (p *preparing) refused(n oci.Node, err error) error {
	errs := make([]error, len(n.Images))
	for i, image := range n.Images {
		errs[i] = &oci.Gap{Image: p.inv.Images[image], Err: err}
	}
	return errors.Join(errs...)
}

// blame names an image that needs the node.
func (p *preparing) blame(n oci.Node, err error) error {
	if err == nil || len(n.Images) == 0 {
		return err
	}
	more := ""
	if k := len(n.Images) - 1; k > 0 {
		more = fmt.Sprintf(" (and %d more)", k)
	}
	return fmt.Errorf("image %s%s: %w", p.inv.Images[n.Images[0]].Describe(), more, err)
}
