package pinfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// channels pins update channels by the first and the last release that is carried of each.
func (p *pinning) channels() {
	for i, ch := range p.c.Mirror.Platform.Channels {
		list := p.releases(ch.Name)
		at := fmt.Sprintf("mirror.platform.channels[%d]", i)
		if len(list) == 0 {
			if ch.MinVersion == "" || ch.MaxVersion == "" {
				p.left("channel %s: the path through several channels has no release for its own sake, so its ends stay open", ch.Name)
			}
			continue
		}
		low, high := list[0], list[len(list)-1]
		if ch.MinVersion == "" {
			p.set(low, "%s.minVersion", at)
		}
		if ch.MaxVersion == "" {
			p.set(high, "%s.maxVersion", at)
		}
		if ch.Full {
			p.set("", "%s.full", at)
		}
		switch {
		case low == high:
		case ch.ShortestPath:
			p.left("channel %s: the update path from %s to %s, if the graph gets or loses updates between them", ch.Name, low, high)
		default:
			p.left("channel %s: releases between %s and %s that are added to it later", ch.Name, low, high)
		}
	}
}

// releases lists the versions that a channel chose, lowest first.
func (p *pinning) releases(channel string) []string {
	found := map[string]semver.Version{}
	for _, img := range p.inv.Images {
		chose := slices.ContainsFunc(img.Reasons, func(why oci.Reason) bool { return why.Kind == origin.KindChannel && why.Name == channel })
		for _, why := range img.Reasons {
			version, _, _ := strings.Cut(why.Name, " ")
			if v, err := semver.Parse(version); err == nil && chose && why.Kind == origin.KindRelease && why.Part == "" {
				v.Build = nil // some servers write the architecture there
				found[v.String()] = v
			}
		}
	}
	return sorted(found)
}

// operators pins catalogs by digest, and the packages that are named by the versions that are
// carried.
func (p *pinning) operators() {
	for i := range p.c.Mirror.Operators {
		o := &p.c.Mirror.Operators[i]
		at := fmt.Sprintf("mirror.operators[%d]", i)
		ref, err := o.Ref()
		switch {
		case err != nil:
			continue
		case o.IsDirectory():
			p.left("catalog %s: it is a directory of the packing host", o.Catalog)
		case ref.Digest == "":
			img, ok := p.find(origin.Catalog, ref, o.TargetCatalog)
			if !ok {
				continue
			}
			d := img.Root.Digest
			if img.Built {
				d = img.Base.Digest
			}
			p.pin(ref, d, at+".catalog")
		}
		k := slices.IndexFunc(p.contents, func(c documents.CatalogContents) bool { return c.Catalog == ref.String() && c.Target == o.Target() })
		if o.Full || k < 0 || p.contents[k].Versions == documents.VersionsHeads {
			continue // everything of that digest, or nobody has listed it: the digest says it
		}
		for n, pkg := range o.Packages {
			for _, have := range p.contents[k].Packages {
				if have.Name == pkg.Name {
					p.pkg(pkg, have, fmt.Sprintf("%s.packages[%d]", at, n))
				}
			}
		}
	}
}

// pkg gives each channel of a package the range of what is carried of it, or the package where
// it has a range already.
func (p *pinning) pkg(pkg imageset.Package, have documents.PackageContents, at string) {
	span := func(path, minVersion, maxVersion string, channels []documents.ChannelContents) {
		list := versions(channels)
		if len(list) == 0 {
			return
		}
		if minVersion == "" {
			p.version(path+".minVersion", list[0])
		}
		if maxVersion == "" {
			p.version(path+".maxVersion", list[len(list)-1])
		}
	}
	switch {
	case pkg.MinVersion+pkg.MaxVersion != "":
		span(at, pkg.MinVersion, pkg.MaxVersion, have.Channels)
	case len(pkg.Channels) > 0:
		for i, ch := range pkg.Channels {
			for k := range have.Channels {
				if have.Channels[k].Name == ch.Name {
					span(fmt.Sprintf("%s.channels[%d]", at, i), ch.MinVersion, ch.MaxVersion, have.Channels[k:k+1])
				}
			}
		}
	default:
		for k := range have.Channels {
			path := fmt.Sprintf("%s.channels[%d]", at, k)
			p.version(path+".name", have.Channels[k].Name)
			span(path, "", "", have.Channels[k:k+1])
		}
	}
}

func (p *pinning) version(path, value string) {
	p.out.Versions = append(p.out.Versions, imageset.Edit{Path: path, Value: value})
}

// versions lists the versions of channels, lowest first; none if one of them is no semantic
// version.
func versions(channels []documents.ChannelContents) []string {
	found := map[string]semver.Version{}
	for _, ch := range channels {
		for _, v := range ch.Versions {
			sem, err := semver.Parse(v.Version)
			if err != nil {
				return nil
			}
			found[v.Version] = sem
		}
	}
	return sorted(found)
}

// sorted gives the keys in the order of the versions.
func sorted(found map[string]semver.Version) []string {
	list := make([]string, 0, len(found))
	for s := range found {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b string) int {
		if c := found[a].Compare(found[b]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return list
}
