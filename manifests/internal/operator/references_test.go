package operator

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
)

// TestRealReferences takes every image of real catalogs.
func TestRealReferences(t *testing.T) {
	dir := asktest.SharedData(t, "fbc")
	for _, name := range []string{"community-v4.12", "community-v4.16", "community-v4.18/infinispan", "okd-multi-file", "odd/json-in-yaml-file", "redhat"} {
		h, files := asktest.NewCatalogs(), map[string]string{}
		err := filepath.WalkDir(filepath.Join(dir, name), func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			body, err := os.ReadFile(p)
			files[strings.TrimPrefix(filepath.ToSlash(p), dir)] = string(body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.PutCatalog(t, asktest.TestCatalog, files)
		some, err := Catalogs(t.Context(), asktest.ParseOperators(t, "  - {catalog: '"+asktest.TestCatalog+"', full: true}\n"), h)
		list := some.Images
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(list) < 5 {
			t.Errorf("%s: only %d images", name, len(list))
		}
		for _, w := range list {
			if _, err := oci.ParseRef(w.Ref.String()); err != nil || (w.Ref.Digest == "") != (len(w.Tags) == 1) {
				t.Errorf("%s: %+v, %v", name, w, err)
			}
		}
	}
}
