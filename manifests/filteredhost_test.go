package manifests

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// fullHost is an [ask.Images] that cannot keep some of what is made: the begin of a key, "made" or
// "layer".
type fullHost struct {
	*asktest.Catalogs
	what string
}

func (f fullHost) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	if f.what == "made" {
		return oci.Descriptor{}, asktest.ErrFull
	}
	return f.Catalogs.Put(mediaType, body)
}

func (f fullHost) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	if f.what == "layer" {
		return oci.Descriptor{}, asktest.ErrFull
	}
	return f.Catalogs.PutFrom(mediaType, fill)
}

func (f fullHost) Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	if strings.HasPrefix(key, f.what) {
		return nil, asktest.ErrFull
	}
	return f.Catalogs.Derived(ctx, key, fill)
}

// TestFilteredHost tells faults of this host as such: they are no gaps of the catalog.
func TestFilteredHost(t *testing.T) {
	for _, what := range []string{"made", "layer", "layer-only", "layers-around", "opm", "catalog"} {
		h := asktest.NewCatalogs()
		h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
		_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n"), fullHost{h, what})
		var gap *oci.Gap
		if !errors.Is(err, asktest.ErrFull) || errors.As(err, &gap) || strings.Contains(err.Error(), "read the catalog") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestFilteredFatal makes no more catalogs once one cannot be made.
func TestFilteredFatal(t *testing.T) {
	h := asktest.NewCatalogs()
	const other = "example.com/cat/other:v1"
	h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	h.Stack(other, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	tried := &fullLayers{Catalogs: h}
	_, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - {catalog: '"+asktest.TestCatalog+"', packages: [{name: etcd}]}\n  - {catalog: '"+other+"', packages: [{name: etcd}]}\n"), tried)
	if !errors.Is(err, asktest.ErrFull) || tried.n != 1 {
		t.Errorf("%d layers were made, %v", tried.n, err)
	}
}

// fullLayers counts the layers for which it has no room.
type fullLayers struct {
	*asktest.Catalogs
	n int
}

func (f *fullLayers) PutFrom(string, func(io.Writer) error) (oci.Descriptor, error) {
	f.n++
	return oci.Descriptor{}, asktest.ErrFull
}

// TestFilteredNoRoom has no directory for temporary files, from the start or once the
// catalog was read.
func TestFilteredNoRoom(t *testing.T) {
	h := asktest.NewCatalogs()
	h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	ask := asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n")
	room := t.TempDir()
	for _, tc := range []struct{ dir, want string }{
		{filepath.Join(room, "gone"), "catalog " + asktest.TestCatalog + ": keep the documents of a catalog in the directory for temporary files, "},
		{room, ""},
		{filepath.Join(room, "gone"), "keep the files of a catalog in the directory for temporary files, "},
	} {
		t.Setenv("TMPDIR", tc.dir)
		_, err := Resolve(t.Context(), ask, h)
		var gap *oci.Gap
		if tc.want == "" && err == nil {
			continue
		}
		if err == nil || errors.As(err, &gap) || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}
