package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaultsAreTested looks for the tests that docs/faults.md and docs/soak.md name.
func TestFaultsAreTested(t *testing.T) {
	there := map[string]bool{}
	defined := regexp.MustCompile(`(?m)^func (Test\w+)\(t`)
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range defined.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`")
	for _, doc := range []string{"../../docs/faults.md", "../../docs/soak.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		list := named.FindAllSubmatch(text, -1)
		if len(list) < 5 {
			t.Errorf("%s names %d tests", doc, len(list))
		}
		for _, m := range list {
			if !there[string(m[1])] {
				t.Errorf("%s names %s, which is not there", doc, m[1])
			}
		}
	}
}
