package manifests

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// fullHost is an [Images] that cannot keep some of what is made: the begin of a key, "made" or
// "layer".
type fullHost struct {
	*catalogHost
	what string
}

var errFull = errors.New("write to the cache: no space left on device")

func (f fullHost) Keep(mediaType string, body []byte) (oci.Descriptor, error) {
	if f.what == "made" {
		return oci.Descriptor{}, errFull
	}
	return f.catalogHost.Keep(mediaType, body)
}

func (f fullHost) KeepFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	if f.what == "layer" {
		return oci.Descriptor{}, errFull
	}
	return f.catalogHost.KeepFrom(mediaType, fill)
}

func (f fullHost) Parsed(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	if strings.HasPrefix(key, f.what) {
		return nil, errFull
	}
	return f.catalogHost.Parsed(ctx, key, fill)
}

// TestFilteredHost tells faults of this host as such: they are no gaps of the catalog.
func TestFilteredHost(t *testing.T) {
	for _, what := range []string{"made", "layer", "layer-only", "layers-around", "opm", "catalog"} {
		h := newCatalogHost()
		h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
		_, err := Resolve(t.Context(), parsed(t, "  - catalog: "+testCatalog+"\n    packages: [{name: etcd}]\n"), fullHost{h, what})
		var gap *oci.GapError
		if !errors.Is(err, errFull) || errors.As(err, &gap) || strings.Contains(err.Error(), "read the catalog") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestFilteredNoRoom has no directory for temporary files, from the start or once the
// catalog was read.
func TestFilteredNoRoom(t *testing.T) {
	h := newCatalogHost()
	h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
	ask := parsed(t, "  - catalog: "+testCatalog+"\n    packages: [{name: etcd}]\n")
	room := t.TempDir()
	for _, tc := range []struct{ dir, want string }{
		{filepath.Join(room, "gone"), "catalog " + testCatalog + ": keep a catalog's documents: "},
		{room, ""},
		{filepath.Join(room, "gone"), "keep the files of a catalog: "},
	} {
		t.Setenv("TMPDIR", tc.dir)
		_, err := Resolve(t.Context(), ask, h)
		var gap *oci.GapError
		if tc.want == "" && err == nil {
			continue
		}
		if err == nil || errors.As(err, &gap) || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}
