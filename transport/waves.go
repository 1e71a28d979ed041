package transport

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// waves orders images so that each comes, with all its tags, in an earlier wave than
// any image of its repository that contains it. src gives the indexes.
func (m *Mirror) waves(ctx context.Context, src oci.Source, images []oci.Image) ([][]oci.Image, error) {
	byRepo := map[string][]oci.Image{}
	for _, img := range images {
		repo := m.target.Repo(img).String()
		byRepo[repo] = append(byRepo[repo], img)
	}
	var list [][]oci.Image
	for _, img := range images { // keeps their order
		repo := m.target.Repo(img).String()
		levels, err := levelsOf(ctx, src, byRepo[repo])
		if err != nil {
			return nil, err
		}
		for _, img := range byRepo[repo] {
			level := levels[img.Root.Digest]
			for len(list) <= level {
				list = append(list, nil)
			}
			list[level] = append(list[level], img)
		}
		delete(byRepo, repo)
	}
	return list, nil
}

// levelsOf gives each root of one repository the first wave that it can be in: after all
// roots that it contains.
func levelsOf(ctx context.Context, src oci.Source, images []oci.Image) (map[digest.Digest]int, error) {
	levels := make(map[digest.Digest]int, len(images))
	for _, img := range images {
		levels[img.Root.Digest] = 0
	}
	if len(levels) < 2 {
		return levels, nil
	}
	within := map[digest.Digest][]digest.Digest{}
	for _, img := range images {
		if !oci.IsIndex(img.Root.MediaType) {
			continue
		}
		err := oci.WalkIndexes(ctx, src, img, func(d oci.Descriptor, _ []byte) error {
			if _, named := levels[d.Digest]; named && d.Digest != img.Root.Digest {
				within[img.Root.Digest] = append(within[img.Root.Digest], d.Digest)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for changed := true; changed; { // ends: no manifest contains itself
		changed = false
		for root, parts := range within {
			for _, part := range parts {
				if levels[root] <= levels[part] {
					levels[root], changed = levels[part]+1, true
				}
			}
		}
	}
	return levels, nil
}

// putSoon is putManifest that waits, once for all manifests, where the registry says that it
// lacks parts of this one that it took in this run: some stores are consistent later.
func (p *pushing) putSoon(ctx context.Context, r *Repository, img oci.Image, d oci.Descriptor, body []byte, reference string) (took bool, err error) {
	var refusal error
	_, err = p.wait.until(ctx, r, func() (bool, error) {
		var err error
		took, err = r.putOrFind(ctx, d, body, reference)
		refusal = nil
		if lacksParts(err) && len(img.Omitted) == 0 && p.m.pushedParts(r, d, body) {
			refusal, err = err, nil
		}
		return refusal == nil && err == nil, err
	})
	return took, errors.Join(err, refusal)
}

// pushedParts reports whether the mirror took, in this run, one of what a manifest names, and
// nothing else than that can be missing.
func (m *Mirror) pushedParts(r *Repository, d oci.Descriptor, body []byte) bool {
	parts, err := oci.Children(d, body)
	if err != nil {
		return false
	}
	took := false
	for _, part := range parts {
		if oci.IsForeign(part.MediaType) {
			return false
		}
		took = took || m.wasSent(r, part)
	}
	return took
}
