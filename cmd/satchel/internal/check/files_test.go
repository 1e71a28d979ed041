package check_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
)

// TestHalfOfTheFiles: files that are not there, and a page of steps that is not whole, are found without each other.
func TestHalfOfTheFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 261, kind{})
	lacking := func() (list []string) {
		o := w.options()
		o.Offline = true
		r, _ := w.run(o)
		for _, f := range r.Findings {
			if f.Kind == check.FileMissing && f.Fails {
				list = append(list, f.Object)
			}
		}
		return list
	}
	if got := lacking(); len(got) > 0 {
		t.Fatalf("%q", got)
	}
	page := filepath.Join(w.out, "APPLY.md")
	whole, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"a note": string(whole) + "done by Ann\n", "other ends of lines": strings.ReplaceAll(string(whole), "\n", "\r\n")} {
		if err := os.WriteFile(page, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lacking(); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := os.WriteFile(page, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(page, 1500); err != nil {
		t.Fatal(err)
	}
	if got := lacking(); !slices.Equal(got, []string{"APPLY.md"}) {
		t.Errorf("cut short: %q", got)
	}
	for _, gone := range []string{"APPLY.md", "kustomization.yaml", "catalogsource-index.yaml"} {
		if err := os.Remove(filepath.Join(w.out, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if got := lacking(); !slices.Contains(got, "APPLY.md") || !slices.Contains(got, "catalogsource-index.yaml") {
		t.Errorf("gone: %q", got)
	}
}
