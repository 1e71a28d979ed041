package emit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// pasted executes the commands of a page on a cluster, each block as a person pastes it: those of
// the steps that have one of the texts in their headings, or all.
func pasted(t *testing.T, c *octest.Cluster, files []handover.File, page string, headings ...string) []octest.Block {
	t.Helper()
	dir := t.TempDir()
	writeTo(t, dir, files)
	var steps strings.Builder
	for _, step := range strings.Split("\n"+string(fileOf(t, files, page).Body), "\n## ") {
		heading, _, _ := strings.Cut(step, "\n")
		if len(headings) == 0 || slices.ContainsFunc(headings, func(text string) bool { return strings.Contains(heading, text) }) {
			steps.WriteString("## " + step + "\n")
		}
	}
	blocks := c.Page(t, dir, []byte(steps.String()))
	if len(blocks) == 0 {
		t.Fatalf("%s has no commands under %q", page, headings)
	}
	return blocks
}

func writeTo(t *testing.T, dir string, files []handover.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, f.Body, f.Mode))
	}
}
