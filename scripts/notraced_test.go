package scripts

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNotRaced: the tests that make race leaves out are there, in order, each once.
func TestNotRaced(t *testing.T) {
	t.Parallel()
	var sources strings.Builder
	for _, dir := range []string{"../oci", "../transport", "../bundle", "../bundle/internal/journal"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			sources.WriteString(read(t, file))
		}
	}
	var names []string
	for line := range strings.Lines(read(t, "notraced")) {
		if name := strings.TrimSpace(line); !strings.HasPrefix(name, "#") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatal("no test is named")
	}
	for i, name := range names {
		if i > 0 && names[i-1] >= name {
			t.Errorf("%s stands after %s", name, names[i-1])
		}
		if !regexp.MustCompile(`func Test` + name + `\(t `).MatchString(sources.String()) {
			t.Errorf("there is no test %s", name)
		}
	}
}
