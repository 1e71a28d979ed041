package ocitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/satchel-airgap/satchel/oci"
)

// Compare fetches everything that root reaches from BASEURL/v2/REPO and checks
// it: each manifest by digest and the tag's manifest byte for byte and with its
// media type, each blob by its digest and size. The error names everything that
// differs. baseURL is as for [Push].
func Compare(ctx context.Context, c oci.Source, root oci.Descriptor, baseURL, repo, tag string) error {
	r, err := openRepo(baseURL, repo)
	if err != nil {
		return err
	}
	defer r.client.CloseIdleConnections()
	var diffs []error
	err = oci.Walk(ctx, c, root, func(d oci.Descriptor, body []byte) error {
		if body == nil {
			diffs = append(diffs, r.compareBlob(ctx, d))
			return ctx.Err()
		}
		diffs = append(diffs, r.compareManifest(ctx, d, body, d.Digest.String()))
		if d.Digest == root.Digest {
			diffs = append(diffs, r.compareManifest(ctx, d, body, tag))
		}
		return ctx.Err()
	})
	if err := errors.Join(append(diffs, err)...); err != nil {
		return fmt.Errorf("compare %s:%s: %w", repo, tag, err)
	}
	return nil
}

func (r *repo) compareManifest(ctx context.Context, d oci.Descriptor, want []byte, name string) error {
	resp, err := r.do(ctx, http.MethodGet, "manifests/"+name, func(req *http.Request) {
		req.Header.Set("Accept", d.MediaType)
	}, http.StatusOK)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(resp.Body, oci.MaxManifestSize+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("manifest %s: %w", name, err)
	}
	if mt := resp.Header.Get("Content-Type"); mt != d.MediaType {
		return fmt.Errorf("manifest %s: served as %q, not %q", name, mt, d.MediaType)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("manifest %s: has the digest %s, not %s", name, oci.Digest(got), d.Digest)
	}
	return nil
}

func (r *repo) compareBlob(ctx context.Context, d oci.Descriptor) error {
	resp, err := r.do(ctx, http.MethodGet, "blobs/"+d.Digest.String(), nil, http.StatusOK)
	if err != nil {
		return err
	}
	v := oci.NewVerifier(d)
	_, err = io.Copy(v, resp.Body)
	if err == nil {
		err = v.Close()
	}
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return nil
}
