package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Repository is one repository of one registry. It is an [oci.Source].
type Repository struct {
	ref    oci.Ref
	place  registry.Reference
	doer   *doer
	remote *remote.Repository
}

// Ref names the repository.
func (r *Repository) Ref() oci.Ref { return r.ref }

// Open gives the bytes of d from offset off on. Manifests are asked for by their
// media type and only from their first byte on; blobs from any. Errors of the
// registry, those of the reader included, are of type *[RegistryError].
func (r *Repository) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	if err := oci.CheckDescriptor(d); err != nil {
		return nil, err
	}
	if off < 0 || off > d.Size {
		return nil, fmt.Errorf("pull %s: offset %d is not within its %d bytes", r.name(d), off, d.Size)
	}
	var body io.ReadCloser
	var err error
	switch {
	case !oci.IsManifest(d.MediaType):
		body, err = r.openBlob(ctx, d, off)
	case off != 0:
		return nil, oci.ErrNoOffset
	default:
		body, err = r.remote.Manifests().Fetch(ctx, d)
	}
	if err != nil {
		return nil, explain("pull", r.name(d), err)
	}
	return &reader{ReadCloser: body, name: r.name(d)}, nil
}

// Has reports whether the repository holds d, by a HEAD. Only the status
// counts: not every registry gives the length.
func (r *Repository) Has(ctx context.Context, d oci.Descriptor) (bool, error) {
	kind := "blobs/"
	var header http.Header
	if oci.IsManifest(d.MediaType) {
		kind, header = "manifests/", acceptManifests()
	}
	resp, err := r.ask(ctx, http.MethodHead, kind+d.Digest.String(), header)
	if err != nil {
		return false, explain("check", r.name(d), err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		finish(resp)
		return true, nil
	case http.StatusNotFound:
		finish(resp)
		return false, nil
	}
	return false, explain("check", r.name(d), answered(resp))
}

func (r *Repository) name(d oci.Descriptor) string { return r.ref.WithDigest(d.Digest).String() }

// url is the address of something in the repository (OCI distribution-spec,
// "Endpoints"). The doer puts in the scheme.
func (r *Repository) url(path string, query url.Values) *url.URL {
	return &url.URL{Scheme: "https", Host: r.place.Host(), Path: "/v2/" + r.place.Repository + "/" + path, RawQuery: query.Encode()}
}

// ask sends a GET or a HEAD for something in the repository.
func (r *Repository) ask(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, r.place, auth.ActionPull)
	req, err := http.NewRequestWithContext(ctx, method, r.url(path, nil).String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	return r.doer.Do(req)
}

func acceptManifests() http.Header {
	return http.Header{"Accept": {strings.Join(oci.ManifestMediaTypes(), ", ")}}
}

// reader names the content in the errors of a broken read.
type reader struct {
	io.ReadCloser
	name string
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = explain("pull", r.name, err)
	}
	return n, err
}
