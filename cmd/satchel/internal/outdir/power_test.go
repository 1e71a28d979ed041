package outdir_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/powertest"
)

// TestLosesPower has power fail at any moment while a set replaces an earlier one, in a directory that
// the first one makes: each file is old or new, a second run completes the set, and what was said
// to be written is there.
func TestLosesPower(t *testing.T) {
	t.Parallel()
	set := func(text string) (list []manifests.File) {
		for i, name := range []string{"APPLY.md", "rules.yaml", "secrets/first.yaml", "gitops/drains/second.yaml", text + ".yaml"} {
			list = append(list, manifests.File{Name: name, Mode: 0o600, Body: bytes.Repeat([]byte(name+text), 1+400*i)})
		}
		return list
	}
	sets := [][]manifests.File{set("old"), set("new")}
	body := func(at powertest.At, name string) string {
		got, err := os.ReadFile(filepath.Join(at("host"), "out", name))
		if err != nil {
			return "none"
		}
		return string(got)
	}
	powertest.Command{
		Tops: []string{"host"},
		Run: func(_ *testing.T, at powertest.At) error {
			for _, files := range sets {
				o, err := outdir.Open(filepath.Join(at("host"), "out"))
				if err != nil {
					return err
				}
				if err := o.Write(files); err != nil {
					return err
				}
			}
			return nil
		},
		Look: func(t *testing.T, at powertest.At) {
			for i, f := range sets[0] {
				if got := body(at, f.Name); got != "none" && got != string(f.Body) && (got != string(sets[1][i].Body)) {
					t.Errorf("%s is neither old nor new: %.60q", f.Name, got)
				}
			}
		},
		Whole: func(t *testing.T, at powertest.At) {
			for _, f := range sets[1] {
				if body(at, f.Name) != string(f.Body) {
					t.Errorf("%s is not what was written", f.Name)
				}
			}
			if body(at, "old.yaml") != "none" {
				t.Error("a file of the earlier set stays")
			}
			left, err := os.ReadDir(filepath.Join(at("host"), "out"))
			for _, e := range left {
				if err != nil || strings.Contains(e.Name(), "tmp") {
					t.Errorf("%s is left, %v", e.Name(), err)
				}
			}
		},
	}.Lose(t, 700, 6)
}
