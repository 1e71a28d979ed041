package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// oldestCreated is when container images began: builds that are to give the same bytes each
// time state an earlier time, which says nothing.
var oldestCreated = time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)

// Created is when an image was made, as its config says; of an index, the latest of its
// images that src has. An annotation of a manifest stands in for a config without a time
// (org.opencontainers.image.created). The zero time if nothing says so.
func Created(ctx context.Context, src Source, root Descriptor) (latest time.Time, err error) {
	body, err := ReadManifest(ctx, src, root)
	if err != nil {
		return latest, err
	}
	m, err := ParseManifest(root, body)
	if err != nil {
		return latest, err
	}
	if IsIndex(root.MediaType) {
		for _, c := range m.Manifests {
			if IsIndex(c.MediaType) || !IsManifest(c.MediaType) {
				continue
			}
			if t, err := Created(ctx, src, c); err == nil && t.After(latest) { // some may not be carried
				latest = t
			}
		}
	} else if m.Config != nil && IsConfig(m.Config.MediaType) {
		if latest, err = configCreated(ctx, src, *m.Config); err != nil {
			return latest, err
		}
	}
	if latest.IsZero() {
		latest = createdAt(m.Annotations[ispec.AnnotationCreated])
	}
	return latest, nil
}

func configCreated(ctx context.Context, src Source, d Descriptor) (time.Time, error) {
	body, err := ReadBlob(ctx, src, d, maxConfig)
	if err != nil {
		return time.Time{}, fmt.Errorf("read image config: %w", err)
	}
	var config struct{ Created string }
	if err := json.Unmarshal(body, &config); err != nil {
		return time.Time{}, &UnsupportedError{"image config " + d.Digest.String(), fmt.Sprintf("it is not valid JSON: %v", err)}
	}
	return createdAt(config.Created), nil
}

func createdAt(text string) time.Time {
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.After(oldestCreated) {
		return t.UTC()
	}
	return time.Time{}
}
