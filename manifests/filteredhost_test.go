package manifests

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
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

func (f fullHost) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	if f.what == "made" {
		return oci.Descriptor{}, errFull
	}
	return f.catalogHost.Put(mediaType, body)
}

func (f fullHost) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	if f.what == "layer" {
		return oci.Descriptor{}, errFull
	}
	return f.catalogHost.PutFrom(mediaType, fill)
}

func (f fullHost) Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	if strings.HasPrefix(key, f.what) {
		return nil, errFull
	}
	return f.catalogHost.Derived(ctx, key, fill)
}

// TestFilteredHost tells faults of this host as such: they are no gaps of the catalog.
func TestFilteredHost(t *testing.T) {
	for _, what := range []string{"made", "layer", "layer-only", "layers-around", "opm", "catalog"} {
		h := newCatalogHost()
		h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
		_, err := Resolve(t.Context(), parsed(t, "  - catalog: "+testCatalog+"\n    packages: [{name: etcd}]\n"), fullHost{h, what})
		var gap *oci.Gap
		if !errors.Is(err, errFull) || errors.As(err, &gap) || strings.Contains(err.Error(), "read the catalog") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestFilteredFatal makes no more catalogs once one cannot be made.
func TestFilteredFatal(t *testing.T) {
	h := newCatalogHost()
	const other = "example.com/cat/other:v1"
	h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
	h.stack(other, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
	tried := &fullLayers{catalogHost: h}
	_, err := Resolve(t.Context(), parsed(t, "  - {catalog: '"+testCatalog+"', packages: [{name: etcd}]}\n  - {catalog: '"+other+"', packages: [{name: etcd}]}\n"), tried)
	if !errors.Is(err, errFull) || tried.n != 1 {
		t.Errorf("%d layers were made, %v", tried.n, err)
	}
}

// fullLayers counts the layers for which it has no room.
type fullLayers struct {
	*catalogHost
	n int
}

func (f *fullLayers) PutFrom(string, func(io.Writer) error) (oci.Descriptor, error) {
	f.n++
	return oci.Descriptor{}, errFull
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
		var gap *oci.Gap
		if tc.want == "" && err == nil {
			continue
		}
		if err == nil || errors.As(err, &gap) || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

// TestFilteredFaults says whose fault it is that a package cannot be written.
func TestFilteredFaults(t *testing.T) {
	f := &filtering{s: &selection{what: "catalog x"}}
	for _, tc := range []struct {
		name string
		err  error
		want string
		odd  bool
	}{
		{"p", opm.ErrLarge, `catalog x: package "p": the catalog and its cache have more than 8 GiB`, true},
		{"", f.written(opm.ErrLarge), "catalog x: the catalog and its cache have more than 8 GiB", true},
		{"p", &fs.PathError{Op: "write", Path: "/t", Err: errFull}, "catalog x: write what is chosen of it: write /t: " + errFull.Error(), false},
		{"p", f.written(io.ErrUnexpectedEOF), "catalog x: write what is chosen of it: unexpected EOF", false},
	} {
		err := f.fault(&catalog.Package{Name: tc.name}, tc.err)
		var done *settledError
		var odd *oci.UnsupportedError
		if err.Error() != tc.want || !errors.As(err, &done) || errors.As(err, &odd) != tc.odd {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

// TestFilteredCancelled ends between two bundles.
func TestFilteredCancelled(t *testing.T) {
	h := newCatalogHost()
	h.stack(testCatalog, true, ocitest.CatalogRun(), layersOfTheTest(t, h)...)
	h.filteredImage(t, "  - catalog: "+testCatalog+"\n    packages: [{name: etcd}]\n")
	var docs [2]*catalog.Documents
	var p *catalog.Package
	for key, body := range h.parsed {
		for i := range docs {
			if !strings.HasPrefix(key, "catalog") {
				continue
			}
			r, err := catalog.NewReader(io.NopCloser(bytes.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if p, docs[i], err = r.Next(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := opm.New(true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &filtering{s: newSelection(nil, "", &Operator{Catalog: testCatalog}, oci.Ref{})}
	var done *settledError
	if err := f.fillPackage(ctx, c, p, docs[0], docs[1]); !errors.Is(err, context.Canceled) || !errors.As(err, &done) {
		t.Errorf("got %v", err)
	}
}
