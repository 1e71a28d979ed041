package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 2310: "2,310", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
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
		{"p", &fs.PathError{Op: "write", Path: "/t", Err: asktest.ErrFull}, "catalog x: write what is chosen of it: write /t: " + asktest.ErrFull.Error(), false},
		{"p", f.written(io.ErrUnexpectedEOF), "catalog x: write what is chosen of it: unexpected EOF", false},
	} {
		err := f.fault(&catalog.Package{Name: tc.name}, tc.err)
		var done *ask.HostError
		var odd *oci.UnsupportedError
		if err.Error() != tc.want || !errors.As(err, &done) || errors.As(err, &odd) != tc.odd {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

// TestFilteredCancelled ends between two bundles.
func TestFilteredCancelled(t *testing.T) {
	h := asktest.NewCatalogs()
	h.Stack(asktest.TestCatalog, true, ocitest.CatalogRun(), asktest.LayersOfTheTest(t, h)...)
	_, err := Catalogs(t.Context(), asktest.ParseOperators(t, "  - catalog: "+asktest.TestCatalog+"\n    packages: [{name: etcd}]\n"), h)
	asktest.NoError(t, err)
	var docs [2]*catalog.Documents
	var p *catalog.Package
	for key, body := range h.Parsed {
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
	f := &filtering{s: newSelection(nil, "", &imageset.Operator{Catalog: asktest.TestCatalog}, oci.Ref{})}
	var done *ask.HostError
	if err := f.fillPackage(ctx, c, p, docs[0], docs[1]); !errors.Is(err, context.Canceled) || !errors.As(err, &done) {
		t.Errorf("got %v", err)
	}
}
