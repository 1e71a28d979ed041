package ocitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// Push sends everything that root reaches to BASEURL/v2/REPO, blobs first, and
// tags root. baseURL is scheme and host, such as http://127.0.0.1:5000, and may
// carry user and password for basic authentication.
func Push(ctx context.Context, c oci.Source, root oci.Descriptor, baseURL, repo, tag string) error {
	r, err := openRepo(baseURL, repo)
	if err != nil {
		return err
	}
	defer r.client.CloseIdleConnections()
	err = oci.Walk(ctx, c, root, func(d oci.Descriptor, body []byte) error {
		if body == nil {
			return r.putBlob(ctx, c, d)
		}
		if err := r.putManifest(ctx, d, body, d.Digest.String()); err != nil || d.Digest != root.Digest {
			return err
		}
		return r.putManifest(ctx, d, body, tag)
	})
	if err != nil {
		return fmt.Errorf("push %s:%s: %w", repo, tag, err)
	}
	return nil
}

type repo struct {
	base   *url.URL // ends in /v2/REPO/
	client *http.Client
}

func openRepo(baseURL, name string) (*repo, error) {
	base, err := url.Parse(strings.TrimSuffix(baseURL, "/") + "/v2/" + name + "/")
	if err != nil {
		return nil, fmt.Errorf("registry address: %w", err)
	}
	// A transport of its own, so that no connection outlives the call.
	return &repo{base, &http.Client{Transport: &http.Transport{DisableCompression: true}}}, nil
}

// do sends one request and wants one of the given statuses. target is relative
// to the repository. The caller closes the body.
func (r *repo) do(ctx context.Context, method, target string, edit func(*http.Request), want ...int) (*http.Response, error) {
	u, err := r.base.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, target, err)
	}
	u.User = r.base.User
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if edit != nil {
		edit(req)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	err = errors.Join(err, resp.Body.Close())
	return nil, errors.Join(fmt.Errorf("%s %s: %s %s", method, u.Redacted(), resp.Status, bytes.TrimSpace(text)), err)
}

func (r *repo) putBlob(ctx context.Context, c oci.Source, d oci.Descriptor) error {
	resp, err := r.do(ctx, http.MethodHead, "blobs/"+d.Digest.String(), nil, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode == http.StatusOK {
		return err
	}
	place, err := r.startUpload(ctx, d)
	if err != nil {
		return fmt.Errorf("start upload of %s: %w", d.Digest, err)
	}
	body, err := c.Open(ctx, d, 0)
	if err != nil {
		return err
	}
	if d.Size == 0 { // net/http takes a length of 0 for unknown unless the body is http.NoBody
		if err := body.Close(); err != nil {
			return err
		}
		body = http.NoBody
	}
	resp, err = r.do(ctx, http.MethodPut, place.String(), func(req *http.Request) {
		req.Body, req.ContentLength = body, d.Size // the client closes it
		req.Header.Set("Content-Type", "application/octet-stream")
	}, http.StatusCreated)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// startUpload opens an upload session and returns where the blob goes.
func (r *repo) startUpload(ctx context.Context, d oci.Descriptor) (*url.URL, error) {
	resp, err := r.do(ctx, http.MethodPost, "blobs/uploads/", nil, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	place, err := resp.Location()
	if err != nil {
		return nil, err
	}
	q := place.Query()
	q.Set("digest", d.Digest.String())
	place.RawQuery = q.Encode()
	return place, nil
}

func (r *repo) putManifest(ctx context.Context, d oci.Descriptor, body []byte, name string) error {
	resp, err := r.do(ctx, http.MethodPut, "manifests/"+name, func(req *http.Request) {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), d.Size
		req.Header.Set("Content-Type", d.MediaType)
	}, http.StatusCreated)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
