package order

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Waves orders images so that each comes, with all its tags, in an earlier wave than
// any image of its repository in the mirror that contains it. src gives the indexes.
func Waves(ctx context.Context, src oci.Source, to oci.Mirror, images []oci.Image) ([][]oci.Image, error) {
	byRepo := map[string][]oci.Image{}
	for _, img := range images {
		repo := to.Repo(img).String()
		byRepo[repo] = append(byRepo[repo], img)
	}
	var list [][]oci.Image
	for _, img := range images { // keeps their order
		repo := to.Repo(img).String()
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
	var walks oci.Walks
	for _, img := range images {
		if !oci.IsIndex(img.Root.MediaType) {
			continue
		}
		err := walks.WalkIndexes(ctx, src, img, func(d oci.Descriptor, _ []byte) error {
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
