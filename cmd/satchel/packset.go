package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// resolve pins the images of the configuration, or what a list of gaps names.
func (p *preparing) resolve(ctx context.Context) error {
	p.info("resolving images")
	inv, err := p.resolved(ctx)
	if inv == nil {
		return err
	}
	p.inv = inv
	if err := p.tolerate(err); err != nil {
		return err
	}
	return checkFallback(p.inv)
}

func (p *preparing) resolved(ctx context.Context) (*oci.Inventory, error) {
	if err := p.openCatalogs(); err != nil {
		return nil, err
	}
	from := cachedImages{p.app, p.client, p.cache, p.catalogs}
	if p.only == nil {
		return manifests.Resolve(ctx, p.cfg, from)
	}
	inv, err := manifests.Resolve(ctx, p.cfg, from)
	if inv == nil {
		return nil, err
	}
	gaps, ok := oci.Gaps(err)
	if !ok {
		return nil, err
	}
	all := &oci.Inventory{Images: slices.Clone(inv.Images)}
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return !p.listed(all, i) })
	inv.Documents = slices.DeleteFunc(inv.Documents, func(d oci.Document) bool { return d.Name == manifests.DocumentContents }) // a part of that is carried
	gaps = slices.DeleteFunc(gaps, func(g *oci.Gap) bool { return !p.listed(all, g.Image) })
	var errs []error
	for _, g := range gaps {
		errs = append(errs, g)
	}
	for _, g := range p.only.Images {
		switch {
		case unlisted(g):
			images, err := p.allAttached(ctx, g)
			inv.Images, errs = append(inv.Images, images...), append(errs, err)
		case named(inv, gaps, g):
		case g.Image.Subject == "":
			return nil, usage(fmt.Errorf("%s lists %s, which %s does not name", p.onlyFile, g.Image.Source, p.config), "give the list with the configuration that it was written for")
		default:
			img, err := p.attached(ctx, g)
			if err != nil {
				errs = append(errs, err)
			} else {
				inv.Images = append(inv.Images, img)
			}
		}
	}
	inv.Sort()
	if err := errors.Join(errs...); err != nil || len(inv.Images) > 0 {
		return inv, err
	}
	return nil, usage(fmt.Errorf("%s lists signatures alone, and the registry has none of them", p.onlyFile), "there is nothing to carry later")
}

// listed reports whether --only names an image: itself, or as part of a release,
// catalog or chart that could not even be read. inv has all that was resolved.
func (p *preparing) listed(inv *oci.Inventory, img oci.Image) bool {
	return p.only.names(img) || slices.ContainsFunc(p.only.Images, func(g gapImage) bool { return partOf(inv, img, g.Image) })
}

// partOf reports whether an image is of the release, catalog or chart that was missing.
func partOf(inv *oci.Inventory, img, missing oci.Image) bool {
	if missing.Root.Digest != "" || missing.Subject != "" {
		return false
	}
	within := func(wholes []oci.Reason) bool {
		return slices.ContainsFunc(img.Reasons, func(r oci.Reason) bool { return slices.ContainsFunc(wholes, r.Within) })
	}
	switch missing.Origin {
	case manifests.OriginCatalog:
		return slices.ContainsFunc(img.Reasons, func(r oci.Reason) bool { return r.Catalog == missing.Source.String() })
	case manifests.OriginRelease, manifests.OriginChart:
		return img.Origin == missing.Origin && !img.Built && (within(missing.Reasons) || within(wholesOf(inv, missing)))
	}
	return false
}

// wholesOf gives what an image that was missing turned out to be, now that it can be read.
func wholesOf(inv *oci.Inventory, missing oci.Image) (list []oci.Reason) {
	for _, img := range inv.Images {
		if img.Origin != missing.Origin || !img.Matches(missing.Source) || img.MirrorPath() != missing.MirrorPath() {
			continue
		}
		for _, r := range img.Reasons {
			if r.Part == "" && (r.Kind == manifests.KindRelease || r.Kind == manifests.KindChart) {
				list = append(list, r)
			}
		}
	}
	return list
}

// named reports whether a listed image was resolved, or tried.
func named(inv *oci.Inventory, gaps []*oci.Gap, g gapImage) bool {
	return slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return isGap(i, g) }) ||
		slices.ContainsFunc(gaps, func(e *oci.Gap) bool { return isGap(e.Image, g) })
}

// allAttached pins what is attached to an image that was carried before without,
// because its registry did not list it.
func (p *preparing) allAttached(ctx context.Context, g gapImage) ([]oci.Image, error) {
	owner, source := oci.Image{Origin: g.Image.Origin, Source: g.Image.Source, Path: g.Image.Path}, g.Image.Source
	repo, err := p.client.Repository(source)
	if err != nil {
		return nil, err
	}
	subject, _, err := p.client.Resolve(ctx, source)
	var list []transport.Attachment
	if err == nil {
		list, err = repo.Attachments(ctx, subject)
	}
	if err != nil {
		return nil, &oci.Gap{Image: g.Image, Err: fmt.Errorf("signatures of %s: %w", source, err)}
	}
	return images(list, owner, oci.Node{Descriptor: subject}, source.Repo()), nil
}

// attached pins a listed signature or referrer of an image that was carried before.
func (p *preparing) attached(ctx context.Context, g gapImage) (oci.Image, error) {
	img := g.Image
	if img.Root = (oci.Descriptor{}); img.Source.Tag != "" {
		img.Tags = []string{img.Source.Tag}
	}
	root, _, err := p.client.Resolve(ctx, img.Source)
	if err != nil {
		return img, &oci.Gap{Image: img, Err: err}
	}
	img.Root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	return img, nil
}

// survey reads all manifests, from the cache where it has them.
func (p *preparing) survey(ctx context.Context) error {
	for {
		graph, err := oci.ReadGraph(ctx, p.inv.Images, func(img oci.Image) (oci.Source, error) {
			if img.Built {
				return p.keptDocuments(), nil
			}
			repo, err := p.repository(img.Source)
			return p.cache.ReadThrough(repo), err
		}, p.parallelImages)
		if err == nil {
			p.graph = graph
			if p.dropOrphans() {
				continue
			}
			p.info("%d images, %d blobs, %s", len(p.inv.Images), len(graph.Blobs), bundle.FormatSize(size(graph.Blobs)))
			return nil
		}
		if err := p.tolerate(err); err != nil {
			return err
		}
	}
}

// dropOrphans takes out what is attached to manifests that are carried no more,
// and reports whether there was any. What --only names stands for itself.
func (p *preparing) dropOrphans() bool {
	subjects := map[string]bool{}
	for _, n := range p.graph.Manifests {
		for _, repo := range p.repos(n) {
			subjects[repo.WithDigest(n.Descriptor.Digest).String()] = true
		}
	}
	before := len(p.inv.Images)
	p.inv.Images = slices.DeleteFunc(p.inv.Images, func(i oci.Image) bool {
		return i.Subject != "" && !subjects[i.Source.WithDigest(i.Subject).String()] && !p.only.names(i) &&
			!p.only.hasAll(i.Source.WithDigest(i.Subject))
	})
	return len(p.inv.Images) != before
}

func size(nodes []oci.Node) (n int64) {
	for _, node := range nodes {
		n += node.Descriptor.Size
	}
	return n
}

// cachedImages resolves images and keeps their manifests and configs, and what
// was worked out of their layers.
type cachedImages struct {
	*app
	client *transport.Client
	cache  *cache.Cache
	local  catalogDirs
}

func (c cachedImages) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	if dirs := c.local.of(ref); dirs != nil {
		d, err := dirs.resolve(ref)
		return d, c.cache.Metadata(dirs), err
	}
	d, src, err := c.client.Resolve(ctx, ref)
	if err != nil {
		return d, nil, err
	}
	return d, c.cache.Metadata(src), nil
}

func (c cachedImages) Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	return c.cache.Derived(ctx, key, fill)
}

func (c cachedImages) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	body, err := c.client.Fetch(ctx, url, limit)
	var status *transport.StatusError
	if errors.As(err, &status) {
		return nil, &manifests.FetchError{URL: status.URL, Status: status.Status}
	}
	return body, err
}

func (c cachedImages) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return c.cache.Put(mediaType, body)
}

func (c cachedImages) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	return c.cache.PutFrom(mediaType, fill)
}

func (c cachedImages) Note(text string) { c.warn("%s", text) }
