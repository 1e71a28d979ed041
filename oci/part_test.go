package oci_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

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
