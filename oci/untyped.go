package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// lookUp gives the media type of what an index names: its own if that is one of a
// manifest, else what the bytes are, whoever has them: a registry, asked for a manifest
// first, or a bundle. That of a blob stays.
func lookUp(ctx context.Context, src Source, d Descriptor) (string, error) {
	if IsManifest(d.MediaType) || d.Size > MaxManifestSize {
		return d.MediaType, nil
	}
	asked := d
	asked.MediaType = MediaTypeAnyManifest
	body, err := ReadManifest(ctx, src, asked)
	if refused(err) && !isBlobType(d.MediaType) {
		body, err = ReadManifest(ctx, src, d)
	}
	switch {
	case refused(err):
		return d.MediaType, nil // a blob that is missing is found to be so later
	case err != nil:
		return "", err
	}
	kind, other := sniff(body)
	switch {
	case kind != "":
		return kind, nil
	case other != "" && !isBlobType(d.MediaType):
		return "", &UnsupportedError{"manifest " + d.Digest.String(), fmt.Sprintf("an index names it, and its media type is %q, which registries do not take as a manifest", other)}
	}
	return d.MediaType, nil
}

// refused reports whether a source definitely does not give something.
func refused(err error) bool {
	if err == nil {
		return false
	}
	var e interface{ Permanent() bool }
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &e) && e.Permanent()
}

// isBlobType reports whether a media type is one of a config or a layer, which build
// caches name in indexes.
func isBlobType(mediaType string) bool {
	return IsConfig(mediaType) || strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.") || strings.HasPrefix(mediaType, "application/vnd.buildkit.")
}

// sniff gives the media type of a manifest by its bytes alone, "" for other content; other is
// what the bytes call themselves if they are built as a manifest of a type that is not known.
func sniff(body []byte) (kind, other string) {
	var b manifestBody
	if json.Unmarshal(body, &b) != nil || b.SchemaVersion != 2 {
		return "", ""
	}
	switch {
	case IsManifest(b.MediaType):
		return b.MediaType, ""
	case b.MediaType != "":
		return "", b.MediaType
	case there(b.Manifests):
		return MediaTypeIndex, ""
	case there(b.Config):
		return MediaTypeManifest, ""
	}
	return "", ""
}
