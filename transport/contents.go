package transport

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// TagDigest asks what a tag of the mirror names now, "" for nothing.
func (m *Mirror) TagDigest(ctx context.Context, ref oci.Ref) (digest.Digest, error) {
	r, err := m.client.Repository(ref)
	if err != nil {
		return "", err
	}
	return r.tagDigest(r.toPush(ctx), ref.Tag)
}

// Manifest reads what a repository of the mirror has under a digest, of whatever kind; no bytes
// where it is not there.
func (m *Mirror) Manifest(ctx context.Context, ref oci.Ref) (d oci.Descriptor, body []byte, err error) {
	r, err := m.client.Repository(ref)
	if err != nil {
		return d, nil, err
	}
	err = r.alone(r.toPush(ctx), func(ctx context.Context) (err error) {
		d, body, err = r.manifestRead(ctx, ref.Digest.String(), ref.Digest)
		return err
	})
	if statusIn(err) == http.StatusNotFound {
		return oci.Descriptor{}, nil, nil
	}
	return d, body, explain("check", ref.String(), err)
}

// Has reports whether the mirror has what ref names, a manifest by its digest or a tag.
func (m *Mirror) Has(ctx context.Context, ref oci.Ref) (bool, error) {
	r, err := m.client.Repository(ref)
	if err != nil {
		return false, err
	}
	return r.namesSomething(r.toPush(ctx), ref)
}

// Referrers lists what refers to a manifest of the mirror, and reports whether the registry
// keeps that list itself, and so may remove a referrer with its subject. Where it does not, a
// tag made from the subject's digest has the list.
func (m *Mirror) Referrers(ctx context.Context, ref oci.Ref) (list []oci.Descriptor, itself bool, err error) {
	r, err := m.client.Repository(ref)
	if err != nil {
		return nil, false, err
	}
	var found *referrerList
	err = r.alone(r.toPush(ctx), func(ctx context.Context) (err error) {
		found, err = r.referrers(ctx, oci.Descriptor{Digest: ref.Digest})
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return found.found, r.api.state.Load() == apiThere, nil
}
