package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// Attachment is a manifest that belongs to another one: a referrer of it, or
// what cosign keeps under a tag with its digest.
type Attachment struct {
	Root oci.Descriptor
	Tag  string // sha256-<64 hex>.sig and so on; empty for a referrer
}

// Attached is what is attached to a manifest, as far as its registry says.
type Attached struct {
	List    []Attachment
	Unknown []*UnknownError // what it refused to say
	Skipped []error         // entries of the list of referrers that name nothing which could be asked for
	Stopped string          // the list of referrers was read up to this page, which had been given before; "" to its end
}

// UnknownError says that a registry which gives an image refuses to say whether there are
// attachments of one sort. That is neither a yes nor a no.
type UnknownError struct {
	Subject oci.Ref
	Sort    string // [oci.UnknownReferrers] or what cosign's tags end with, without the dot
	Err     error
}

func (e *UnknownError) Error() string {
	what := "it has referrers"
	if e.Sort != oci.UnknownReferrers {
		what = "there is a tag ." + e.Sort + " of it"
	}
	how := "refuses to answer that: " + reason(e.Err)
	if answer, ok := errors.AsType[*RegistryError](e.Err); ok && (answer.Status == 0 || answer.Status >= 500) {
		how = "does not answer that as a registry should: " + answer.Cause()
	}
	return fmt.Sprintf("%s: whether %s is not known: the registry gives the image, but %s", e.Subject, what, how)
}

func (e *UnknownError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *UnknownError) Hint() string {
	switch s := statusIn(e.Err); {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return "" // that of the answer says it
	case s == 0, s >= 500:
		return "report it to the registry's administrator: what it has stored of this may be damaged, or a proxy answers in its place"
	}
	return "the registry, or a proxy in front of it, refuses a legal request: report it to its administrator"
}

// Permanent is true: the registry was asked twice.
func (e *UnknownError) Permanent() bool { return true }

// cosignSuffixes end the tags that cosign makes of a digest: signatures,
// attestations, software bills of materials (cosign, doc/cosign_tag_scheme).
func cosignSuffixes() []string { return []string{".sig", ".att", ".sbom"} }

// Attachments lists what is attached to the subject in this repository: its
// referrers, by the referrers API or where there is none by the fallback tag
// (OCI distribution-spec, "Listing Referrers"), and cosign's tags. The fallback
// index itself is not among them: each registry makes its own. Where
// registries.conf names several locations, the first that has the subject is
// believed. A refusal of a registry that gives the subject itself to the same
// credential is no error but [Attached].Unknown, and so is 500 to each such request and what is
// no list. The error is a *[RegistryError], or
// an *[oci.UnsupportedError] for an attachment of a kind that is not carried.
func (r *Repository) Attachments(ctx context.Context, subject oci.Descriptor) (*Attached, error) {
	var all *Attached
	err := r.each(ctx, true, func(ctx context.Context, p *Repository) (err error) {
		if len(r.digests) > 1 {
			if err := p.has(ctx, subject); err != nil {
				return err
			}
		}
		all, err = p.attachments(ctx, subject)
		return err
	})
	var none *LocationError
	if errors.As(err, &none) && none.absent() {
		return &Attached{}, nil
	}
	return all, err
}

func (r *Repository) attachments(ctx context.Context, subject oci.Descriptor) (*Attached, error) {
	list, err := r.sourceReferrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	all := &Attached{Stopped: list.stopped}
	for _, d := range list.found {
		if err := oci.CheckDigest(d.Digest); err != nil {
			all.Skipped = append(all.Skipped, err)
			continue
		}
		d, err := r.listed(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", subject.Digest, err)
		}
		all.List = append(all.List, Attachment{Root: d})
	}
	refused := func(sort string, err *RegistryError) {
		all.Unknown = append(all.Unknown, &UnknownError{Subject: r.named.WithDigest(subject.Digest), Sort: sort, Err: err})
	}
	if list.refused != nil {
		refused(oci.UnknownReferrers, list.refused)
	}
	for _, suffix := range cosignSuffixes() {
		tag := fallbackTag(subject) + suffix
		var d oci.Descriptor
		err := r.aloneAsked(ctx, func(ctx context.Context) (err error) {
			d, err = r.tagged(ctx, tag)
			return err
		})
		var answer *RegistryError
		switch {
		case errors.As(err, &answer) && (notSaid(answer.Status) || answer.damaged || answer.page):
			refused(strings.TrimPrefix(suffix, "."), answer)
		case err != nil:
			return nil, err
		case d.Digest != "":
			all.List = append(all.List, Attachment{Root: d, Tag: tag})
		}
	}
	if len(all.Unknown) > 0 { // a registry that gives this host nothing at all is an error
		if err := r.renewed().has(ctx, subject); err != nil {
			return nil, explain("list what is attached to", r.name(subject), all.Unknown[0].Err)
		}
	}
	return all, nil
}

// listed is an entry of a list of referrers; one without a size, or a media type, that can be used is looked up.
func (r *Repository) listed(ctx context.Context, d oci.Descriptor) (oci.Descriptor, error) {
	err := checkManifest(d)
	if err == nil && d.Size > 0 {
		return d, nil
	}
	var found oci.Descriptor
	gerr := r.aloneOf(ctx, d, func(ctx context.Context) (err error) {
		found, _, err = r.manifestRead(ctx, d.Digest.String(), d.Digest)
		return err
	})
	switch {
	case gerr == nil:
		return found, checkManifest(found)
	case statusIn(gerr) == http.StatusNotFound && (err == nil || d.MediaType == ""): // whoever reads it finds that out, as of one with a size
		d.MediaType = cmp.Or(d.MediaType, oci.MediaTypeAnyManifest)
		return d, nil
	case err == nil:
		err = explain("pull", r.name(d), gerr)
	}
	return d, err
}

// notSaid reports whether a status is that of a registry which does not say whether it has a tag
// that nobody knows to exist.
func notSaid(status int) bool {
	return reply.Permanent(status) && status != http.StatusNotFound && status != http.StatusProxyAuthRequired || status == http.StatusNotImplemented
}

// tagged gives the manifest under a tag, a zero one if there is none. Most are
// not there, and one HEAD says so. A refusal is looked at again with a new token.
func (r *Repository) tagged(ctx context.Context, tag string) (oci.Descriptor, error) {
	name, at := r.ref.WithTag(tag).String(), r
	status := 0 // of HEAD, where it says something
	if !r.noHead.manifests.Load() {
		resp, err := r.ask(retry.Once(ctx), http.MethodHead, "manifests/"+tag, acceptManifests())
		switch {
		case err != nil: // GET may be answered all the same
			status = statusIn(err)
		default:
			reply.Drain(resp)
			if status = resp.StatusCode; status == http.StatusOK && resp.Header.Get(headerDigest) == "" {
				status = 0
			}
		}
	}
	switch {
	case status == http.StatusNotFound:
		return oci.Descriptor{}, nil
	case uncertain(status):
		at = r.renewed()
	}
	d, _, err := at.manifestRead(ctx, tag, "")
	if err = explain("pull", name, err); at == r && uncertain(statusIn(err)) {
		d, _, err = r.renewed().manifestRead(ctx, tag, "")
		err = explain("pull", name, err)
	}
	switch {
	case statusIn(err) == http.StatusNotFound && status != http.StatusOK:
		return oci.Descriptor{}, nil
	case err != nil:
		return oci.Descriptor{}, err
	}
	return d, checkManifest(d)
}
