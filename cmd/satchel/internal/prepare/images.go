package prepare

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// cachedImages resolves images, and caches their manifests and configs and what was
// worked out of their layers.
type cachedImages struct {
	notice.To
	client *transport.Client
	cache  *cache.Cache
	local  catalogDirs
	hub    *manifests.Hub // that all else comes from; nil for none
	absent *repositories  // in which tags were missing
}

func (c cachedImages) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	if dirs := c.local.of(ref); dirs != nil {
		d, err := dirs.resolve(ref)
		return d, c.cache.Metadata(dirs), err
	}
	at, known := ref, true
	if c.hub != nil {
		at, known = inHub(c.hub, ref)
	}
	d, body, src, err := c.client.ResolveManifest(ctx, at, c.cache.Manifest)
	if err != nil && c.hub != nil {
		return d, nil, err
	}
	if err != nil {
		return d, nil, c.absent.explain(ctx, ref, err)
	}
	if !known {
		c.Warn("%s is not in the bundle that filled %s: it is what %s names now", ref, c.hub.Mirror, at)
	}
	read := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	})
	if _, err := oci.ReadManifest(ctx, c.cache.ReadThrough(read), d); err != nil { // so that it is not asked for again
		return d, nil, err
	}
	return d, c.cache.Metadata(src), nil
}

func (c cachedImages) Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	return c.cache.Derived(ctx, key, fill)
}

func (c cachedImages) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	body, err := c.client.Fetch(ctx, url, limit)
	var status *transport.StatusError
	if errors.As(err, &status) {
		return nil, &manifests.FetchError{URL: status.URL, Status: status.Status, Message: status.Message}
	}
	return body, err
}

func (c cachedImages) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return c.cache.Put(mediaType, body)
}

func (c cachedImages) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	return c.cache.PutFrom(mediaType, fill)
}

func (c cachedImages) Note(text string) { c.Warn("%s", text) }
