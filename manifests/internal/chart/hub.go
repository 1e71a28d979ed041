package chart

import (
	"context"
	"encoding/json"
	"net/url"
	"path"
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
func ofHub(h *imageset.Hub, base *url.URL) (helm.Index, error) {
	entries := map[string][]helm.Entry{}
	hubCharts(h, func(name, version string, img oci.Image) {
		if ref, err := repositoryRef(base, name, version); img.Built && (err != nil || ref != img.Source) {
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
	s.add(&chartJob{name: e.Name, version: e.Version, ref: ref, built: true, load: func(ctx context.Context) (*helm.Chart, error) {
		return s.pulled(ctx, ofName(s.c.Extra.Hub, ref), e.Name, e.Version)
	}}, ch)
}

// hubLocal adds a chart that was a file of the host which packed the bundle of the hub: the
// one that has the name of that file.
func (s *charting) hubLocal(ch *imageset.Chart) bool {
	h, done := s.c.Extra.Hub, false
	if h == nil {
		return false
	}
	base := strings.TrimSuffix(path.Base(path.Clean(ch.Path)), ".tgz")
	hubCharts(h, func(name, version string, img oci.Image) {
		if done || img.Source.Registry != origin.LocalCharts || base != name && base != name+"-"+version || ch.Version != "" && ch.Version != version {
			return
		}
		done = true
		s.add(&chartJob{name: name, version: version, ref: img.Source, built: true, load: func(ctx context.Context) (*helm.Chart, error) {
			return s.pulled(ctx, img.Source.WithDigest(img.Root.Digest), name, version)
		}}, *ch)
	})
	return done
}
