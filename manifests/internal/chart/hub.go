package chart

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/helm"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// hubCharts calls fn for each chart that a hub has.
func hubCharts(h *imageset.Hub, fn func(name, version string, img oci.Image)) {
	for _, img := range h.Images {
		for _, why := range img.Reasons {
			if name, version, ok := strings.Cut(why.Name, " "); ok && why.Kind == origin.KindChart && why.Part == "" {
				fn(name, version, img)
			}
		}
	}
}

// ofHub is what a hub has of a repository, as its index would say. Charts that an index names
// in another registry are under their names there.
func (s *charting) ofHub(base *url.URL) (helm.Index, error) {
	entries := map[string][]helm.Entry{}
	own := map[string]bool{} // charts that were files of this repository
	hubCharts(s.c.Extra.Hub, func(name, version string, img oci.Image) {
		ref, err := repositoryRef(base, name, version)
		own[name] = own[name] || img.Built && err == nil && ref == img.Source
	})
	hubCharts(s.c.Extra.Hub, func(name, version string, img oci.Image) {
		if ref, err := repositoryRef(base, name, version); img.Built && (err != nil || ref != img.Source) || own[name] && s.ofRegistry(name, img) {
			return
		}
		entries[name] = append(entries[name], helm.Entry{Name: name, Version: version, URLs: []string{imageset.SchemeOCI + img.Source.String()}})
	})
	body, err := json.Marshal(map[string]any{"entries": entries})
	if err != nil {
		return nil, err
	}
	return helm.ParseIndex(body)
}

// ofRegistry reports whether the configuration itself asks a registry for a chart: then no
// index needs to have named it.
func (s *charting) ofRegistry(name string, img oci.Image) bool {
	return !img.Built && slices.ContainsFunc(s.c.Mirror.Helm.Repositories, func(r imageset.HelmRepository) bool {
		address, is := strings.CutPrefix(strings.TrimSuffix(r.URL, "/"), imageset.SchemeOCI)
		return is && address+"/"+name == img.Source.Repo().String()
	})
}

// ofName gives a chart that satchel built, by its digest: its name may be another image's outside.
func ofName(h *imageset.Hub, ref oci.Ref) oci.Ref {
	if img, ok := h.Built(origin.Chart, ref); ok {
		return ref.WithDigest(img.Root.Digest)
	}
	return ref
}

// hubEntry adds one version of a chart of a repository, from the hub.
func (s *charting) hubEntry(base *url.URL, e helm.Entry, ch imageset.Chart) {
	address := strings.TrimPrefix(e.URLs[0], imageset.SchemeOCI)
	ref, err := repositoryRef(base, e.Name, e.Version)
	if err != nil || ref.String() != address {
		s.registry(e.URLs[0], e.Name, e.Version, ch)
		return
	}
	s.add(&chartJob{name: e.Name, version: e.Version, ref: ref, built: true, load: func(ctx context.Context) ([]byte, error) {
		return s.pulled(ctx, ofName(s.c.Extra.Hub, ref))
	}}, ch)
}

// hubLocal adds a chart that was a file of the host which packed the bundle of the hub: the
// one that has the name of that file, and the version if one is named. It fails where several
// have, unless as many are asked for in the same way: then each is one of them.
func (s *charting) hubLocal(ch *imageset.Chart) (bool, error) {
	if s.c.Extra.Hub == nil {
		return false, nil
	}
	type local struct {
		name, version string
		img           oci.Image
	}
	var list []local
	hubCharts(s.c.Extra.Hub, func(name, version string, img oci.Image) {
		if img.Source.Registry == origin.LocalCharts && isFile(ch, name, version) {
			list = append(list, local{name, version, img})
		}
	})
	if len(list) == 0 {
		return false, nil
	}
	at, like := 0, 0
	for i := range s.c.Mirror.Helm.Local {
		other := &s.c.Mirror.Helm.Local[i]
		if other == ch {
			at = like
		}
		if fileName(other) == fileName(ch) && sameWay(other, ch) {
			like++
		}
	}
	if len(list) > 1 && like != len(list) {
		return false, fmt.Errorf("%s has several charts of this file name, such as %s %s and %s %s: say which one with version", s.c.Extra.Hub.Mirror, list[0].name, list[0].version, list[1].name, list[1].version)
	}
	one := list[0]
	if len(list) > 1 {
		one = list[at]
	}
	s.add(&chartJob{name: one.name, version: one.version, ref: one.img.Source, built: true, load: func(ctx context.Context) ([]byte, error) {
		return s.pulled(ctx, one.img.Source.WithDigest(one.img.Root.Digest))
	}}, *ch)
	return true, nil
}

func fileName(ch *imageset.Chart) string {
	return strings.TrimSuffix(path.Base(path.Clean(ch.Path)), ".tgz")
}

// isFile reports whether a chart can have been the file that is asked for.
func isFile(ch *imageset.Chart, name, version string) bool {
	base := fileName(ch)
	return (base == name || base == name+"-"+version) && (ch.Version == "" || ch.Version == version)
}

// sameWay reports whether two files are asked for alike, but for where they are.
func sameWay(a, b *imageset.Chart) bool {
	return a.Version == b.Version && slices.Equal(a.ImagePaths, b.ImagePaths) && slices.Equal(imageset.PlatformNames(a.Platforms), imageset.PlatformNames(b.Platforms))
}
