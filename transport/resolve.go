package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/oci"
)

const headerDigest = "Docker-Content-Digest"

// Resolve gives the descriptor of the manifest that ref names and the source of
// its content. With a digest in ref, that is the descriptor's digest; with both,
// the tag is not looked at. The error is a *[RegistryError], or an
// *[oci.UnsupportedError] that names the image: not a manifest of a kind that is
// carried, another digest algorithm, above [oci.MaxManifestSize].
func (c *Client) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	r, err := c.Repository(ref)
	if err != nil {
		return oci.Descriptor{}, nil, err
	}
	reference := ref.Tag
	if ref.Digest != "" {
		reference = ref.Digest.String()
	}
	if reference == "" {
		return oci.Descriptor{}, nil, fmt.Errorf("pull %s: neither a tag nor a digest is given", ref)
	}
	var d oci.Descriptor
	err = r.each(ctx, ref.Digest != "", func(ctx context.Context, p *Repository) (err error) {
		if d, err = p.resolve(ctx, reference, ref.Digest); err == nil {
			err = checkManifest(d)
		}
		return err
	})
	var refused *oci.UnsupportedError
	switch {
	case errors.As(err, &refused):
		return oci.Descriptor{}, nil, &oci.UnsupportedError{What: "image " + ref.String(), Why: refused.Why}
	case err != nil:
		return oci.Descriptor{}, nil, explain("pull", ref.String(), err)
	}
	return d, r, nil
}

func checkManifest(d oci.Descriptor) error {
	if err := oci.CheckDescriptor(d); err != nil {
		return err
	}
	if strings.HasPrefix(d.MediaType, "text/") {
		return &RegistryError{Message: "it answered with a page of text, not with a manifest: is this a registry, or did a proxy answer in its place?"}
	}
	if !oci.IsManifest(d.MediaType) {
		return &oci.UnsupportedError{What: "manifest " + d.Digest.String(), Why: fmt.Sprintf("the registry gives it the media type %q, which is not one of an image, an index or an artifact", oneLine(d.MediaType))}
	}
	return nil
}

// resolve asks by HEAD, which costs registries nothing, and by GET where HEAD
// does not give everything. want may be empty.
func (r *Repository) resolve(ctx context.Context, reference string, want digest.Digest) (oci.Descriptor, error) {
	resp, err := r.ask(ctx, http.MethodHead, "manifests/"+reference, acceptManifests())
	if err != nil {
		return oci.Descriptor{}, err
	}
	drain(resp)
	d := oci.Descriptor{MediaType: mediaType(resp), Digest: digest.Digest(resp.Header.Get(headerDigest)), Size: resp.ContentLength}
	if resp.StatusCode == http.StatusOK && d.MediaType != "" && d.Digest != "" && d.Size > 0 && (want == "" || want == d.Digest) {
		return d, nil
	}
	return r.resolveGet(ctx, reference, want)
}

// resolveGet reads the manifest; its digest is that of the bytes.
func (r *Repository) resolveGet(ctx context.Context, reference string, want digest.Digest) (oci.Descriptor, error) {
	var resp *http.Response
	body, err := r.whole(ctx, oci.MaxManifestSize, func(ctx context.Context) (_ io.ReadCloser, err error) {
		if resp, err = r.ask(ctx, http.MethodGet, "manifests/"+reference, acceptManifests()); err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, responseError(resp)
		}
		return resp.Body, nil
	})
	if err != nil {
		return oci.Descriptor{}, err
	}
	d := oci.Descriptor{MediaType: mediaType(resp), Digest: oci.Digest(body), Size: int64(len(body))}
	if d.Size > oci.MaxManifestSize {
		return oci.Descriptor{}, &oci.UnsupportedError{What: "manifest " + reference, Why: fmt.Sprintf("it has more than %d bytes, which is what registries accept at most", oci.MaxManifestSize)}
	}
	if other := digest.Digest(resp.Header.Get(headerDigest)); other != "" && other.Validate() == nil && other.Algorithm() != digest.SHA256 {
		return oci.Descriptor{}, oci.CheckDigest(other)
	}
	if want != "" && want != d.Digest {
		return oci.Descriptor{}, &oci.DigestError{Want: oci.Descriptor{Digest: want, Size: d.Size}, Got: d.Digest, GotSize: d.Size}
	}
	return d, nil
}

// tagDigest is the digest that a tag names, "" for a tag that is not there.
func (r *Repository) tagDigest(ctx context.Context, tag string) (digest.Digest, error) {
	resp, err := r.ask(ctx, http.MethodHead, "manifests/"+tag, acceptManifests())
	if err != nil {
		return "", explain("check", r.ref.WithTag(tag).String(), err)
	}
	drain(resp)
	named := digest.Digest(resp.Header.Get(headerDigest))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return "", nil
	case resp.StatusCode == http.StatusOK && named != "":
		return named, nil
	}
	d, err := r.resolveGet(ctx, tag, "")
	var refused *RegistryError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return "", nil
	}
	return d.Digest, explain("check", r.ref.WithTag(tag).String(), err)
}

// mediaType is the answer's media type without parameters.
func mediaType(resp *http.Response) string {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}
