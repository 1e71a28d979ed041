package oci_test

import (
	"fmt"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// TestCreated reads when images were made: from configs, of an index the latest that is there,
// from an annotation where a config says nothing; builds without times say nothing.
func TestCreated(t *testing.T) {
	t.Parallel()
	var m oci.Memory
	image := func(created, annotations string) oci.Descriptor {
		config := m.Add(ispec.MediaTypeImageConfig, []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux"%s,"rootfs":{"type":"layers","diff_ids":[]}}`, created)))
		return m.Add(oci.MediaTypeManifest, []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]%s}`, oci.MediaTypeManifest, ispec.MediaTypeImageConfig, config.Digest, config.Size, annotations)))
	}
	index := func(list ...oci.Descriptor) oci.Descriptor {
		text := ""
		for i, d := range list {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
		}
		return m.Add(oci.MediaTypeIndex, []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, oci.MediaTypeIndex, text)))
	}
	early, late := image(`,"created":"2026-01-02T03:04:05Z"`, ""), image(`,"created":"2026-02-03T05:05:06+01:00"`, "")
	gone := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("another platform")), Size: 16}
	for what, c := range map[string]struct {
		root oci.Descriptor
		want time.Time
	}{
		"an image":            {early, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		"an index":            {index(early, late, gone), time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)},
		"a build without":     {image(`,"created":"1970-01-01T00:00:00Z"`, ""), time.Time{}},
		"no time":             {image("", ""), time.Time{}},
		"what is no time":     {image(`,"created":"yesterday"`, ""), time.Time{}},
		"an annotation alone": {image("", `,"annotations":{"org.opencontainers.image.created":"2026-03-01T00:00:00Z"}`), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if got, err := oci.Created(t.Context(), &m, c.root); err != nil || !got.Equal(c.want) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	if _, err := oci.Created(t.Context(), &m, gone); err == nil {
		t.Error("what is not there has a date")
	}
}
