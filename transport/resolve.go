package transport

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

const headerDigest = "Docker-Content-Digest"

// Resolve gives the descriptor of the manifest that ref names and the source of
// its content. With a digest in ref, that is the descriptor's digest; with both,
// the tag is not looked at. The error is a *[RegistryError], or an
// *[oci.UnsupportedError] that names the image: not a manifest of a kind that is
// carried, another digest algorithm, above [oci.MaxManifestSize].
func (c *Client) Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	d, _, src, err := c.ResolveManifest(ctx, ref, nil)
	return d, src, err
}

// ResolveManifest is [Client.Resolve] that gives the manifest's bytes too. known, which
// may be nil, gives the bytes of a manifest that this host has, nil for none; only
// their digest is asked for then.
func (c *Client) ResolveManifest(ctx context.Context, ref oci.Ref, known func(digest.Digest) []byte) (oci.Descriptor, []byte, oci.Source, error) {
	r, err := c.Repository(ref)
	if err != nil {
		return oci.Descriptor{}, nil, nil, err
	}
	reference := ref.Tag
	if ref.Digest != "" {
		reference = ref.Digest.String()
	}
	if reference == "" {
		return oci.Descriptor{}, nil, nil, fmt.Errorf("pull %s: neither a tag nor a digest is given", ref)
	}
	var d oci.Descriptor
	var body []byte
	err = r.each(ctx, ref.Digest != "", func(ctx context.Context, p *Repository) error {
		err := p.aloneOf(ctx, oci.Descriptor{Digest: ref.Digest}, func(ctx context.Context) (err error) {
			if d, body, err = p.manifest(ctx, reference, ref.Digest, known); err == nil {
				err = checkManifest(d)
			}
			return err
		})
		return p.blameHost(ctx, err)
	})
	var refused *oci.UnsupportedError
	switch {
	case errors.As(err, &refused):
		return oci.Descriptor{}, nil, nil, &oci.UnsupportedError{What: "image " + ref.String(), Why: refused.Why}
	case err != nil:
		return oci.Descriptor{}, nil, nil, explain("pull", ref.String(), err)
	}
	return d, body, r, nil
}

func checkManifest(d oci.Descriptor) error {
	if err := oci.CheckDescriptor(d); err != nil {
		return err
	}
	if err := checkPage(d.MediaType); err != nil {
		return err
	}
	if !oci.IsManifest(d.MediaType) {
		return &oci.UnsupportedError{What: "manifest " + d.Digest.String(), Why: fmt.Sprintf("the registry gives it the media type %q, which is not one of an image, an index or an artifact", reply.OneLine(d.MediaType))}
	}
	return nil
}

// checkPage refuses the media type of a page for people.
func checkPage(mediaType string) error {
	if strings.HasPrefix(mediaType, "text/") {
		return &RegistryError{page: true, Message: "it answered with a page of text, not with a manifest: is this a registry, or did a proxy answer in its place?"}
	}
	return nil
}

// manifest asks for a manifest by its tag or digest. Its size and media type are those of
// its bytes: what HEAD says of them may be another's, or that of a compressed answer.
// known, which may be nil, gives the bytes of what was read before; of that, only
// the digest is asked for, by HEAD, which many registries do not count as a pull.
func (r *Repository) manifest(ctx context.Context, reference string, want digest.Digest, known func(digest.Digest) []byte) (oci.Descriptor, []byte, error) {
	if known != nil {
		d, body, status := r.manifestKnown(ctx, reference, want, known)
		if body != nil {
			return d, body, nil
		}
		d, body, err := r.manifestRead(ctx, reference, want)
		if err == nil && (reply.Permanent(status) || status == http.StatusNotImplemented) {
			r.noHead.manifests.Store(true)
		}
		return d, body, err
	}
	return r.manifestRead(ctx, reference, want)
}

// manifestKnown gives no body unless HEAD names one that is known. Any failure is left
// to the GET that follows; the status is that of the HEAD, 0 without an answer.
func (r *Repository) manifestKnown(ctx context.Context, reference string, want digest.Digest, known func(digest.Digest) []byte) (d oci.Descriptor, body []byte, status int) {
	if r.noHead.manifests.Load() {
		return d, nil, 0
	}
	resp, err := r.ask(retry.Once(ctx), http.MethodHead, "manifests/"+reference, acceptManifests())
	if err != nil {
		return d, nil, 0
	}
	reply.Drain(resp)
	named := cmp.Or(digest.Digest(resp.Header.Get(headerDigest)), want)
	if resp.StatusCode != http.StatusOK || want != "" && named != want || oci.CheckDigest(named) != nil {
		return d, nil, resp.StatusCode
	}
	body = known(named)
	return oci.Descriptor{MediaType: manifestType(body, mediaType(resp)), Digest: named, Size: int64(len(body))}, body, resp.StatusCode
}

// manifestRead reads the manifest; its digest is that of the bytes.
func (r *Repository) manifestRead(ctx context.Context, reference string, want digest.Digest) (oci.Descriptor, []byte, error) {
	resp, body, err := r.getManifest(ctx, reference, oci.MaxManifestSize)
	if err != nil {
		return oci.Descriptor{}, nil, err
	}
	named := digest.Digest(resp.Header.Get(headerDigest))
	if named != "" && named.Validate() == nil && named.Algorithm() != digest.SHA256 {
		return oci.Descriptor{}, nil, oci.CheckDigest(named)
	}
	body, right := reply.Decoded(body, cmp.Or(want, named), oci.MaxManifestSize)
	if plain, err := reply.Gunzip(body, oci.MaxManifestSize); !right && err == nil { // a manifest is never compressed in itself
		body = plain
	}
	d := oci.Descriptor{MediaType: manifestType(body, mediaType(resp)), Digest: oci.Digest(body), Size: int64(len(body))}
	if d.Size > oci.MaxManifestSize {
		return oci.Descriptor{}, nil, &oci.UnsupportedError{What: "manifest " + reference, Why: fmt.Sprintf("it has more than %d bytes, which is what registries accept at most", oci.MaxManifestSize)}
	}
	if want == "" && oci.CheckDigest(named) == nil && oci.IsManifest(d.MediaType) { // it says what the tag has, and sends something else
		want = named
	}
	if want != "" && want != d.Digest {
		if err := checkPage(d.MediaType); err != nil {
			return oci.Descriptor{}, nil, err
		}
		return oci.Descriptor{}, nil, &oci.DigestError{Want: oci.Descriptor{Digest: want, Size: d.Size}, Got: d.Digest, GotSize: d.Size}
	}
	return d, body, nil
}

// getManifest reads the answer to a GET, one byte beyond size at most.
func (r *Repository) getManifest(ctx context.Context, reference string, size int64) (resp *http.Response, body []byte, err error) {
	body, err = r.whole(ctx, size, func(ctx context.Context) (_ io.ReadCloser, err error) {
		if resp, err = r.ask(ctx, http.MethodGet, "manifests/"+reference, acceptManifests()); err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, answerError(resp)
		}
		return resp.Body, nil
	})
	return resp, body, err
}

// manifestType is the media type of a manifest: the one that it states itself, which
// its digest covers, else the one that the registry gives, else the one of its form.
func manifestType(body []byte, given string) string {
	var m struct{ MediaType, Manifests, Config json.RawMessage }
	own := ""
	if json.Unmarshal(body, &m) == nil {
		_ = json.Unmarshal(m.MediaType, &own) // what is no text is none
	}
	switch {
	case oci.IsManifest(own):
		return own
	case own == "" && given == oci.MediaTypeDockerManifest && hasType(m.Config, ispec.MediaTypeImageConfig):
		return oci.MediaTypeManifest // Nexus calls it Docker's
	case oci.IsManifest(given), own == "" && strings.HasPrefix(given, "application/vnd.docker.distribution.manifest.v1+"):
		return given
	case own == "" && m.Manifests != nil:
		return oci.MediaTypeIndex
	case own == "" && m.Config != nil:
		return oci.MediaTypeManifest
	}
	return cmp.Or(own, given)
}

// hasType reports whether a descriptor states a media type.
func hasType(descriptor json.RawMessage, mediaType string) bool {
	var d struct{ MediaType string }
	return json.Unmarshal(descriptor, &d) == nil && d.MediaType == mediaType
}

// tagDigest is the digest that a tag names, "" for a tag that is not there or names no manifest
// that bundles can have.
func (r *Repository) tagDigest(ctx context.Context, tag string) (named digest.Digest, err error) {
	err = r.alone(ctx, func(ctx context.Context) (err error) {
		named, err = r.askTag(ctx, tag)
		return err
	})
	return named, err
}

func (r *Repository) askTag(ctx context.Context, tag string) (digest.Digest, error) {
	resp, err := r.ask(ctx, http.MethodHead, "manifests/"+tag, acceptManifests())
	if err != nil {
		return "", explain("check", r.ref.WithTag(tag).String(), err)
	}
	reply.Drain(resp)
	named := digest.Digest(resp.Header.Get(headerDigest))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return "", nil
	case resp.StatusCode == http.StatusOK && named != "":
		return named, nil
	}
	d, _, err := r.manifestRead(ctx, tag, "")
	var refused *RegistryError
	var odd *oci.UnsupportedError // it names something that no bundle has
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound || errors.As(err, &odd) {
		return "", nil
	}
	if err == nil {
		err = r.blameHost(ctx, checkPage(d.MediaType))
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

// tagsPage is how many tags are asked for at once; registries may give fewer.
const tagsPage = "1000"

// Tags lists the tags of the repository (OCI distribution-spec, "Listing Tags"). With an
// error it gives what was read before: a list without an end is an [*EndlessError].
// Nothing is tried again.
func (r *Repository) Tags(ctx context.Context) (tags []string, err error) {
	err = r.each(retry.Once(ctx), false, func(ctx context.Context, p *Repository) (err error) {
		tags, err = p.listTags(ctx)
		return explain("list the tags of", r.ref.String(), err)
	})
	return tags, err
}

// listTags reads the list page by page.
func (r *Repository) listTags(ctx context.Context) (tags []string, err error) {
	_, err = r.pages(ctx, "tags/list", maxTags, url.Values{"n": {tagsPage}}, http.Header{"Accept": {"application/json"}}, func(resp *http.Response) (int, error) {
		if resp.StatusCode != http.StatusOK {
			return 0, answerError(resp)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
		if err != nil {
			return 0, err
		}
		var page struct{ Tags []string }
		if err := json.Unmarshal(body, &page); err != nil {
			return 0, &RegistryError{Err: fmt.Errorf("its list of tags is not valid JSON, or has more than %d bytes", maxPage)}
		}
		tags = append(tags, page.Tags...)
		return len(page.Tags), nil
	})
	return tags, err
}
