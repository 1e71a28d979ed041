package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Attachment is a manifest that belongs to another one: a referrer of it, or
// what cosign keeps under a tag with its digest.
type Attachment struct {
	Root oci.Descriptor
	Tag  string // sha256-<64 hex>.sig and so on; empty for a referrer
}

// cosignSuffixes end the tags that cosign makes of a digest: signatures,
// attestations, software bills of materials (cosign, doc/cosign_tag_scheme).
func cosignSuffixes() []string { return []string{".sig", ".att", ".sbom"} }

// Attachments lists what is attached to the subject in this repository: its
// referrers, by the referrers API or where there is none by the fallback tag
// (OCI distribution-spec, "Listing Referrers"), and cosign's tags. The fallback
// index itself is not among them: each registry makes its own. Where
// registries.conf names several locations, the first that has the subject is
// believed. The error is a *[RegistryError], or an *[oci.UnsupportedError] for an
// attachment of a kind that is not carried.
func (r *Repository) Attachments(ctx context.Context, subject oci.Descriptor) ([]Attachment, error) {
	var list []Attachment
	err := r.each(ctx, true, func(ctx context.Context, p *Repository) (err error) {
		if len(r.digests) > 1 {
			if err := p.has(ctx, subject); err != nil {
				return err
			}
		}
		list, err = p.attachments(ctx, subject)
		return err
	})
	var all *LocationError
	if errors.As(err, &all) && all.absent() {
		return nil, nil
	}
	return list, err
}

func (r *Repository) attachments(ctx context.Context, subject oci.Descriptor) ([]Attachment, error) {
	referrers, err := r.referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	var list []Attachment
	for _, d := range referrers {
		if err := checkManifest(d); err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", subject.Digest, err)
		}
		list = append(list, Attachment{Root: d})
	}
	for _, suffix := range cosignSuffixes() {
		d, err := r.tagged(ctx, fallbackTag(subject)+suffix)
		if err != nil {
			return nil, err
		}
		if d.Digest != "" {
			list = append(list, Attachment{Root: d, Tag: fallbackTag(subject) + suffix})
		}
	}
	return list, nil
}

// tagged gives the manifest under a tag, a zero one if there is none. Most are
// not there, and one HEAD says so.
func (r *Repository) tagged(ctx context.Context, tag string) (oci.Descriptor, error) {
	if got, err := r.tagDigest(ctx, tag); got == "" || err != nil {
		return oci.Descriptor{}, err
	}
	d, _, err := r.manifestRead(ctx, tag, "")
	if err != nil {
		return d, explain("pull", r.ref.WithTag(tag).String(), err)
	}
	return d, checkManifest(d)
}

// fallbackTag is the tag of the referrers index of a registry without the API.
func fallbackTag(d oci.Descriptor) string {
	return strings.Replace(d.Digest.String(), ":", "-", 1)
}

// referrers lists the manifests whose subject is d, each once, of any kind.
func (r *Repository) referrers(ctx context.Context, d oci.Descriptor) ([]oci.Descriptor, error) {
	var list []oci.Descriptor
	collect := func(page []oci.Descriptor) error {
		for _, p := range page {
			d := oci.Descriptor{MediaType: p.MediaType, Digest: p.Digest, Size: p.Size}
			if !slices.ContainsFunc(list, func(o oci.Descriptor) bool { return o.Digest == d.Digest }) {
				list = append(list, d)
			}
		}
		return nil
	}
	ask := func() error {
		list = nil
		return r.remote.Referrers(ctx, d, "", collect)
	}
	err := r.unbroken(ctx, ask)
	if r.noReferrersAPI(err) {
		err = r.unbroken(ctx, ask)
	}
	var answer *errcode.ErrorResponse
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, nil // the repository is not there, so neither are referrers
	}
	if err != nil {
		return nil, explain("list the referrers of", r.name(d), err)
	}
	return list, nil
}

// noReferrersAPI notes that the registry has no referrers API when it answers a
// request for it as something it does not know or allow. Only 404 means that by
// the specification, but proxies and older registries give other refusals.
func (r *Repository) noReferrersAPI(err error) bool {
	var answer *errcode.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return r.remote.SetReferrersCapability(false) == nil
	}
	return false
}

// refersTo reports whether the repository lists d among the referrers of the
// subject: by the API, or in the fallback index.
func (r *Repository) refersTo(ctx context.Context, d oci.Descriptor, subject oci.Descriptor) (bool, error) {
	list, err := r.referrers(ctx, subject)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(o oci.Descriptor) bool { return o.Digest == d.Digest }), nil
}
