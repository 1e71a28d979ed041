package oci_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// without is a source that lacks some content.
func without(src oci.Source, lost digest.Digest) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if d.Digest == lost {
			return nil, fs.ErrNotExist
		}
		return src.Open(ctx, d, off)
	})
}

// TestLostPart loses the image of one platform: the error says which.
func TestLostPart(t *testing.T) {
	t.Parallel()
	c := ocitest.New(31)
	shared, own := c.Layer(1000, ocitest.LayerTar), c.Layer(1000, ocitest.LayerTar)
	amd, arm := c.ImageFor("amd64", false, shared), c.ImageFor("arm64", false, shared, own)
	root := c.Index(false, amd, arm)
	outer := c.Index(false, root)
	walk := func(lost digest.Digest, from oci.Descriptor, fn func(oci.Descriptor, []byte) error) error {
		return oci.Walk(t.Context(), without(c, lost), from, fn)
	}
	nothing := func(oci.Descriptor, []byte) error { return nil }
	for _, from := range []oci.Descriptor{root, outer} {
		err := walk(arm.Digest, from, nothing)
		part, ok := errors.AsType[*oci.PartError](err)
		if !ok || !slices.Equal(part.Platforms, []string{"linux/arm64"}) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the image for linux/arm64: ") {
			t.Errorf("got %v", err)
		}
	}
	if err := walk(root.Digest, outer, nothing); err == nil || strings.Contains(err.Error(), "the image for") {
		t.Errorf("an index without a platform: %v", err)
	}
	mine := errors.New("mine")
	//lint:ignore errorlint it is not wrapped
	if err := walk("", root, func(oci.Descriptor, []byte) error { return mine }); err != mine {
		t.Errorf("an error of who walks: %v", err)
	}
	for d, want := range map[digest.Digest]string{own.Digest: "linux/arm64", shared.Digest: "", root.Digest: ""} {
		got, err := oci.PlatformsWith(t.Context(), c, oci.Image{Root: outer}, d)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s is in %q, %v", d, got, err)
		}
	}
	if got, err := oci.PlatformsWith(t.Context(), c, oci.Image{Root: root, Omitted: []digest.Digest{amd.Digest}}, own.Digest); err != nil || got != nil {
		t.Errorf("all that is carried: %q, %v", got, err)
	}
	if got, err := oci.PlatformsWith(t.Context(), c, oci.Image{Root: arm}, own.Digest); err != nil || got != nil {
		t.Errorf("an image without an index: %q, %v", got, err)
	}
}

// gone is an error that stays.
type gone struct{ error }

func (gone) Permanent() bool { return true }

// TestLostParts names all platforms that an index lost, and says of what an attestation is.
func TestLostParts(t *testing.T) {
	t.Parallel()
	c := ocitest.New(32)
	amd, arm, z := c.ImageFor("amd64", false), c.ImageFor("arm64", false), c.ImageFor("s390x", false)
	att := c.ImageFor("unknown", false, c.Layer(100, ocitest.LayerTar))
	of := func(d oci.Descriptor, arch string) oci.Descriptor {
		d.Platform = &ispec.Platform{OS: "linux", Architecture: arch}
		return d
	}
	att.Platform = &ispec.Platform{OS: "unknown", Architecture: "unknown"}
	att.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd.Digest.String()}
	index := ispec.Index{MediaType: oci.MediaTypeIndex, Manifests: []oci.Descriptor{of(amd, "amd64"), of(arm, "arm64"), of(z, "s390x"), att}}
	index.SchemaVersion = 2
	body, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	root := c.Blob(body, oci.MediaTypeIndex)
	for want, lost := range map[string][]digest.Digest{
		"the image for linux/amd64, linux/s390x: ":       {amd.Digest, z.Digest},
		"the attestation of the image for linux/amd64: ": {att.Digest},
	} {
		src := oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
			if slices.Contains(lost, d.Digest) {
				return nil, gone{fs.ErrNotExist}
			}
			return c.Open(ctx, d, off)
		})
		err := oci.Walk(t.Context(), src, root, func(oci.Descriptor, []byte) error { return nil })
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
