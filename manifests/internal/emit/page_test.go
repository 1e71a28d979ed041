package emit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/octest"
)

func TestMain(m *testing.M) {
	octest.Main()
	os.Exit(m.Run())
}

// pasted executes the commands of a page on a cluster, each block as a person pastes it.
func pasted(t *testing.T, c *octest.Cluster, files []File, page string) []octest.Block {
	t.Helper()
	dir := t.TempDir()
	writeTo(t, dir, files)
	return c.Page(t, dir, fileOf(t, files, page).Body)
}

func writeTo(t *testing.T, dir string, files []File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, f.Body, f.Mode))
	}
}
