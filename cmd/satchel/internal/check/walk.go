package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// named are the images that objects name at the mirror directly, and those that satchel built and no
// object names.
func (c *checking) named() (list []Wanted) {
	known := map[string]bool{}
	if c.Handover != nil {
		for _, n := range c.Handover.Named {
			list = append(list, Wanted{Ref: n.Image, Why: []string{n.String()}, Needed: true})
			known[string(n.Image.Digest)] = true
		}
	}
	list = append(list, c.scraped()...)
	for _, p := range c.carried.built {
		if known[p.digest.String()] {
			continue
		}
		if ref, err := oci.ParseRef(c.address(p.mirror) + within(p.mirror, p.repo) + "@" + p.digest.String()); err == nil {
			list = append(list, Wanted{Ref: ref, Why: p.why})
		}
	}
	return list
}

// scraped are the tags of releases, if an update service is to read them: it finds releases by those alone.
func (c *checking) scraped() (list []Wanted) {
	if c.Handover == nil || !slices.ContainsFunc(c.Handover.Named, func(n manifests.NamedImage) bool { return n.Kind == "UpdateService" }) {
		return nil
	}
	for _, s := range c.carried.scraped {
		if ref, err := oci.ParseRef(c.address(s.mirror) + within(s.mirror, s.repo) + ":" + s.tag); err == nil {
			list = append(list, Wanted{Ref: ref, Why: []string{"the update service reads releases by tag"}})
			if c.carried.names[ref] == "" {
				c.carried.names[ref] = s.digest
			}
		}
	}
	return list
}

// address is where nodes find what receipts have in a mirror, HOST[:PORT][/NAMESPACE]: it may have
// another name for them.
func (c *checking) address(m oci.Mirror) string {
	var found []string
	for _, r := range c.Receipts {
		if r.Mirror != m {
			continue
		}
		for _, repo := range r.Repositories {
			below := within(m, repo.Name)
			for _, s := range repo.Sources {
				for _, at := range c.rules.Pull(s.Name) {
					if base, ok := strings.CutSuffix(at, below); ok && at != s.Name && !slices.Contains(found, base) {
						found = append(found, base)
					}
				}
			}
		}
	}
	// others may have rules of their own to a registry that is laid out the same way
	for _, likely := range [][]string{{m.Host}, c.namedHosts(), nil} {
		for _, base := range found {
			host, _, _ := strings.Cut(base, "/")
			if likely == nil || slices.Contains(likely, host) {
				return base
			}
		}
	}
	return m.String()
}

// within is the path of a repository below a mirror's namespace, with the slash before it; "" for the namespace
// itself, where oc puts releases.
func within(m oci.Mirror, repo string) string {
	if m.Namespace == repo {
		return ""
	}
	return "/" + strings.TrimPrefix(repo, strings.TrimPrefix(m.Namespace+"/", "/"))
}

// namedHosts are the registries of images that objects among the files name.
func (c *checking) namedHosts() (list []string) {
	if c.Handover == nil {
		return []string{}
	}
	list = []string{}
	for _, n := range c.Handover.Named {
		list = append(list, n.Image.Registry)
	}
	return list
}

// releases asks for every image that each release names.
func (c *checking) releases(ctx context.Context) error {
	for _, p := range c.carried.payloads {
		list, err := c.components(ctx, p)
		if err != nil {
			return err
		}
		if err := c.askAll(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// components reads a payload through the mirror.
func (c *checking) components(ctx context.Context, p payload) (list []Wanted, err error) {
	read, err := c.readRelease(ctx, p)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		c.unread(p.image.Source, "release "+p.name, err)
		return nil, nil
	}
	c.read = append(c.read, *read)
	c.Info("release %s: %s", p.name, text.Count(len(read.Images), "image", "images"))
	for _, one := range read.Images {
		list = append(list, Wanted{Ref: one.Source, Why: oci.Words(one.Reasons), Needed: true})
	}
	return list, nil
}

// unread notes that what a release or catalog names is not known. Where the image itself is not to be
// had, that is said already.
func (c *checking) unread(ref oci.Ref, what string, err error) {
	c.mu.Lock()
	q := c.asked[ref]
	c.mu.Unlock()
	if errors.Is(err, errAbsent) {
		// a warning: receipts have been asked for all that is carried
		c.report.add(Finding{Kind: Unread, Object: what, Image: ref.String(), Wrong: "it was not read, so what it names was not looked for: " + err.Error(), Do: "name the bundle that has it (-i KEY DIR), or run this without --offline"})
		return
	}
	if q != nil && q.image != nil && slices.ContainsFunc(q.image.findings, func(f Finding) bool { return f.Fails }) {
		c.report.Notes = append(c.report.Notes, what+" cannot be read, so what it names was not looked for")
		return
	}
	do := "push it again: satchel unpack of the bundle that has it"
	if sort, _ := transport.NodeTrouble(err); sort == transport.TroubleDamaged {
		do = "push it again, and do not delete the image: satchel unpack of the bundle that has it says which file the registry's storage must lose first"
	}
	c.report.add(Finding{Kind: Unread, Fails: true, Object: what, Image: ref.String(), Wrong: fmt.Sprintf("it cannot be read, so what it names was not looked for: %v", err), Do: do})
}

// catalogs asks for every image of every bundle of the catalogs that the cluster is to serve.
func (c *checking) catalogs(ctx context.Context) error {
	if c.Handover == nil {
		return nil
	}
	done := map[oci.Ref]bool{}
	for _, n := range c.Handover.Named {
		if !n.Catalog() || done[n.Image] {
			continue
		}
		done[n.Image] = true
		list, err := c.bundles(ctx, n)
		if err != nil {
			return err
		}
		if err := c.askAll(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// bundles reads a catalog through the mirror, package by package.
func (c *checking) bundles(ctx context.Context, n manifests.NamedImage) ([]Wanted, error) {
	why := map[oci.Ref][]string{}
	sure, err := c.readCatalog(ctx, n, func(b manifests.CatalogBundle) {
		for _, ref := range b.Images {
			said := "operator " + b.Name + " (" + n.String() + ")"
			if len(why[ref]) < mostWhy && !slices.Contains(why[ref], said) {
				why[ref] = append(why[ref], said)
			}
		}
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		c.unread(n.Image, n.String(), err)
	case !sure:
		c.report.add(Finding{Kind: Unread, Fails: true, Object: n.String(), Image: n.Image.String(), Wrong: "parts of the catalog cannot be read, so the images that they name were not looked for", Do: "see that this version of satchel reads the catalog: a later one may"})
	}
	c.Info("%s: %s of operators", n, text.Count(len(why), "image", "images"))
	var list []Wanted
	for _, ref := range slices.SortedFunc(maps.Keys(why), func(a, b oci.Ref) int { return strings.Compare(a.String(), b.String()) }) {
		list = append(list, Wanted{Ref: ref, Why: why[ref], Needed: true})
	}
	return list, nil
}

// mostWhy is how many bundles are named that need an image.
const mostWhy = 5

// readRelease reads a release as nodes get it.
func (c *checking) readRelease(ctx context.Context, p payload) (read *manifests.EarlierRelease, err error) {
	err = c.with(ctx, p.image.Source, func(src oci.Source, root oci.Descriptor) (err error) {
		img := p.image
		img.Root = root
		read, err = manifests.ReadEarlierRelease(ctx, src, img)
		return err
	})
	return read, err
}

// readCatalog reads a catalog as nodes get it.
func (c *checking) readCatalog(ctx context.Context, n manifests.NamedImage, each func(manifests.CatalogBundle)) (sure bool, err error) {
	err = c.with(ctx, n.Image, func(src oci.Source, root oci.Descriptor) (err error) {
		sure, err = manifests.ReadBundles(ctx, n.String(), src, root, nil, each, nil)
		return err
	})
	return sure, err
}
