package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
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
	inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return !p.listed(i) })
	inv.Documents = slices.DeleteFunc(inv.Documents, func(d oci.Document) bool { return d.Name == manifests.DocumentContents }) // a part of that is carried
	gaps = slices.DeleteFunc(gaps, func(g *oci.GapError) bool { return !p.listed(g.Image) })
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
		case g.Subject == "":
			return nil, usage(fmt.Errorf("%s lists %s, which %s does not name", p.onlyFile, g.Source, p.config), "give the list with the configuration that it was written for")
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

// listed reports whether --only names an image: itself, or as part of a release or
// catalog that could not even be read.
func (p *preparing) listed(img oci.Image) bool {
	return p.only.names(img) || slices.ContainsFunc(p.only.Images, func(g gapImage) bool {
		switch {
		case g.Digest != "" || g.Subject != "":
			return false
		case g.Origin == oci.OriginRelease:
			return img.Origin == oci.OriginRelease && !img.Made && (g.Source.String() == p.cfg.Mirror.Platform.Release || partOf(img, g))
		}
		return g.Origin == oci.OriginCatalog && img.Origin == oci.OriginOperator ||
			g.Origin == oci.OriginChart && img.Origin == oci.OriginChart && partOf(img, g)
	})
}

// partOf reports whether an image is of the release, or the chart, that a gap stands for.
func partOf(img oci.Image, g gapImage) bool {
	return len(g.Why) > 0 && slices.ContainsFunc(img.Why, func(why string) bool {
		return why == g.Why[0] || strings.HasPrefix(why, g.Why[0]+": ")
	})
}

// named reports whether a listed image was resolved, or tried.
func named(inv *oci.Inventory, gaps []*oci.GapError, g gapImage) bool {
	return slices.ContainsFunc(inv.Images, func(i oci.Image) bool { return isGap(i, g) }) ||
		slices.ContainsFunc(gaps, func(e *oci.GapError) bool { return isGap(e.Image, g) })
}

// allAttached pins what is attached to an image that was carried before without,
// because its registry did not list it.
func (p *preparing) allAttached(ctx context.Context, g gapImage) ([]oci.Image, error) {
	owner := oci.Image{Origin: g.Origin, Source: g.Source, Path: g.Path}
	gap := owner
	gap.Subject, gap.Why = g.Subject, g.Why
	repo, err := p.client.Repository(g.Source)
	if err != nil {
		return nil, err
	}
	subject, _, err := p.client.Resolve(ctx, g.Source)
	var list []transport.Attachment
	if err == nil {
		list, err = repo.Attachments(ctx, subject)
	}
	if err != nil {
		return nil, &oci.GapError{Image: gap, Err: fmt.Errorf("signatures of %s: %w", g.Source, err)}
	}
	return images(list, owner, oci.Node{Descriptor: subject}, g.Source.Repo()), nil
}

// attached pins a listed signature or referrer of an image that was carried before.
func (p *preparing) attached(ctx context.Context, g gapImage) (oci.Image, error) {
	img := oci.Image{Origin: g.Origin, Source: g.Source, Subject: g.Subject, Path: g.Path, Why: g.Why}
	if g.Source.Tag != "" {
		img.Tags = []string{g.Source.Tag}
	}
	root, _, err := p.client.Resolve(ctx, g.Source)
	if err != nil {
		return img, &oci.GapError{Image: img, Err: err}
	}
	img.Root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	return img, nil
}

// survey reads all manifests, from the cache where it has them.
func (p *preparing) survey(ctx context.Context) error {
	for {
		graph, err := oci.Survey(ctx, p.inv, func(img oci.Image) (oci.Source, error) {
			if img.Made {
				return p.keptDocuments(), nil
			}
			repo, err := p.repository(img.Source)
			return p.cache.Filled(repo), err
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
	cache  *oci.Cache
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

func (c cachedImages) Parsed(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	return c.cache.Parsed(ctx, key, fill)
}

func (c cachedImages) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	body, err := c.client.Fetch(ctx, url, limit)
	var status *transport.StatusError
	if errors.As(err, &status) {
		return nil, &manifests.FetchError{URL: status.URL, Status: status.Status}
	}
	return body, err
}

func (c cachedImages) Keep(mediaType string, body []byte) (oci.Descriptor, error) {
	return c.cache.Keep(mediaType, body)
}

func (c cachedImages) KeepFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	return c.cache.KeepFrom(mediaType, fill)
}

func (c cachedImages) Note(text string) { c.warn("%s", text) }
