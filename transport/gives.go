package transport

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// gives asks for a manifest by digest, as a node would, and reports whether it is there.
// Other bytes, or a media type that a node would take for another kind of manifest, are a
// *[ManifestError], and so is damage.
func (r *Repository) gives(ctx context.Context, d oci.Descriptor) (bool, error) {
	there, _, err := r.givesAs(ctx, d, nodeTypes())
	return there, err
}

// givesAs is gives with the lines of Accept; said is what the registry says of an absence.
func (r *Repository) givesAs(ctx context.Context, d oci.Descriptor, accept []string) (there bool, said string, err error) {
	var resp *http.Response
	var body []byte
	err = r.alone(ctx, func(ctx context.Context) (err error) {
		body, err = r.whole(ctx, oci.MaxManifestSize, func(ctx context.Context) (_ io.ReadCloser, err error) {
			if resp, err = r.ask(ctx, http.MethodGet, "manifests/"+d.Digest.String(), http.Header{"Accept": accept}); err != nil {
				return nil, err
			}
			if resp.StatusCode != http.StatusOK {
				return nil, responseError(resp)
			}
			return resp.Body, nil
		})
		return err
	})
	switch {
	case statusIn(err) == http.StatusNotFound:
		answer, _ := errors.AsType[*RegistryError](err)
		return false, cmp.Or(answer.Message, answer.Code), nil
	case isDamaged(err):
		return false, "", &ManifestError{Repo: r.ref, Manifest: d, Status: statusIn(err)}
	case err != nil:
		return false, "", explain("check", r.name(d), err)
	}
	if reply.Encoding(resp) == "gzip" { // nodes take that
		body, _ = reply.Decoded(body, d.Digest, d.Size)
	}
	if got := oci.Digest(body); got != d.Digest {
		if err := checkPage(mediaType(resp)); err != nil {
			return false, "", explain("check", r.name(d), r.blameHost(ctx, err))
		}
		return false, "", &ManifestError{Repo: r.ref, Manifest: d, Got: got}
	}
	if t := mediaType(resp); oci.IsManifest(d.MediaType) && (!oci.IsManifest(t) || oci.IsIndex(t) != oci.IsIndex(d.MediaType)) {
		return false, "", &ManifestError{Repo: r.ref, Manifest: d, Type: cmp.Or(resp.Header.Get("Content-Type"), "none")}
	}
	return true, "", nil
}

// givesTo is gives for a manifest that the registry took. Where it says that it is not there, it is
// asked in other words, once: whether it is there for others is known at once, and no wait would help.
// absent gets what the registry said.
func (r *Repository) givesTo(ctx context.Context, d oci.Descriptor, absent *ManifestError) (bool, error) {
	there, said, err := r.givesAs(ctx, d, nodeTypes())
	if absent.said = said; there || err != nil || !absent.Pushed || absent.asked {
		return there, err
	}
	absent.asked = true
	if !strings.Contains(strings.ToLower(said), "accept header") { // distribution: found, and not accepted
		if !r.givesOthers(ctx, d) {
			return false, nil
		}
		for range 2 { // of three servers in turn, the one that lacks it may have been first and fourth
			if there, said, err = r.givesAs(ctx, d, nodeTypes()); there || err != nil {
				return there, err
			}
		}
	}
	return false, &ManifestError{Repo: r.ref, Manifest: d, Pushed: true, said: said, unaccepted: true}
}

// givesOthers reports whether a manifest is given to who names all media types in one line. Of
// several servers behind one name, some may have it already: it is asked for twice.
func (r *Repository) givesOthers(ctx context.Context, d oci.Descriptor) bool {
	for range 2 {
		if there, _, err := r.givesAs(ctx, d, []string{strings.Join(nodeTypes(), ", ")}); err != nil || !there {
			return false
		}
	}
	return true
}
