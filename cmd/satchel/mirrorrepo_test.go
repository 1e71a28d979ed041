package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// mirroredRepo is a repository of a registry, read over plain HTTP.
type mirroredRepo struct{ host, repo string }

func (p mirroredRepo) get(ctx context.Context, kind, name string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.host+"/v2/"+p.repo+"/"+kind+"/"+name, nil)
	if err != nil {
		return nil, err
	}
	for _, mt := range []string{oci.MediaTypeManifest, oci.MediaTypeIndex, oci.MediaTypeDockerManifest, oci.MediaTypeDockerList} {
		req.Header.Add("Accept", mt)
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("%s %s of %s: %s", kind, name, p.repo, resp.Status), resp.Body.Close())
	}
	return resp, err
}

// Open makes it an [oci.Source].
func (p mirroredRepo) Open(ctx context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, error) {
	kind := "blobs"
	if oci.IsManifest(d.MediaType) {
		kind = "manifests"
	}
	resp, err := p.get(ctx, kind, d.Digest.String())
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// root is what a tag names.
func (p mirroredRepo) root(t testing.TB, tag string) oci.Descriptor {
	t.Helper()
	resp, err := p.get(t.Context(), "manifests", tag)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return oci.Descriptor{MediaType: resp.Header.Get("Content-Type"), Digest: oci.Digest(body), Size: int64(len(body))}
}

// read decodes a manifest or config.
func (p mirroredRepo) read(t testing.TB, d oci.Descriptor, to any) {
	t.Helper()
	body, err := oci.ReadBlob(t.Context(), p, d, 4<<20)
	if err == nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// images gives the images of an index, or the one that it is.
func (p mirroredRepo) images(t testing.TB, root oci.Descriptor) []oci.Descriptor {
	t.Helper()
	if !oci.IsIndex(root.MediaType) {
		return []oci.Descriptor{root}
	}
	var index ispec.Index
	p.read(t, root, &index)
	return index.Manifests
}

// unpacked writes the finished file system of an image into a directory, as container
// engines do it, and gives the image's config. All layers are verified.
func (p mirroredRepo) unpacked(t testing.TB, image oci.Descriptor, dir string) ispec.Image {
	t.Helper()
	var m ispec.Manifest
	var config ispec.Image
	p.read(t, image, &m)
	p.read(t, m.Config, &config)
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		t.Fatalf("%d diff IDs of %d layers", len(config.RootFS.DiffIDs), len(m.Layers))
	}
	for i, l := range m.Layers {
		rc, err := oci.Verified(p).Open(t.Context(), l, 0)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(rc)
		if err != nil {
			t.Fatal(err)
		}
		h := digest.SHA256.Digester()
		err = applyLayer(io.TeeReader(z, h.Hash()), dir)
		if _, lied := io.Copy(io.Discard, rc); errors.Join(err, lied, rc.Close()) != nil {
			t.Fatalf("layer %d: %v, %v", i, err, lied)
		}
		if h.Digest() != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d has the diff ID %s, not %s", i, h.Digest(), config.RootFS.DiffIDs[i])
		}
	}
	return config
}

// applyLayer applies one layer (OCI image-spec, layer.md).
func applyLayer(r io.Reader, dir string) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		at := filepath.Join(dir, filepath.FromSlash(h.Name))
		base := filepath.Base(at)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		switch {
		case base == ".wh..wh..opq":
			err = emptied(filepath.Dir(at))
		case strings.HasPrefix(base, ".wh."):
			err = os.RemoveAll(filepath.Join(filepath.Dir(at), strings.TrimPrefix(base, ".wh.")))
		case h.Typeflag == tar.TypeDir:
			err = errors.Join(os.MkdirAll(at, 0o755), os.Chmod(at, h.FileInfo().Mode()))
		case h.Typeflag == tar.TypeReg:
			err = written(at, tr, h.FileInfo().Mode())
		default:
			err = fmt.Errorf("%s is a %c", h.Name, h.Typeflag)
		}
		if err != nil {
			return err
		}
	}
}

// emptied removes what is in a directory.
func emptied(dir string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func written(name string, r io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close(), os.Chmod(name, mode))
}
