package scripts

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// defined are the tests of the project, those of its test modules included.
func defined(t *testing.T) map[string]bool {
	t.Helper()
	there, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(\w+ (?:\*testing\.[TF]|testing\.TB)\)`)
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// TestFaultsAreTested: every test that a document names is there, and each row of
// docs/faults.md names one.
func TestFaultsAreTested(t *testing.T) {
	t.Parallel()
	there, named := defined(t), regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil || len(docs) < 10 {
		t.Fatalf("documents %q, %v", docs, err)
	}
	least := map[string]int{"faults.md": 100, "registries.md": 3, "testing.md": 25, "soak.md": 5}
	for _, doc := range append(docs, "../README.md", "../CONTRIBUTING.md", "../bundle/FORMAT.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		list := named.FindAllSubmatch(text, -1)
		if len(list) < least[filepath.Base(doc)] {
			t.Errorf("%s names %d tests", doc, len(list))
		}
		for _, m := range list {
			if !there[string(m[1])] {
				t.Errorf("%s names %s, which is not there", doc, m[1])
			}
		}
		if filepath.Base(doc) == "faults.md" {
			checkRows(t, string(text))
		}
	}
}

// reported is the name of a thread in a public tracker, such as "cri-o/cri-o#2905".
var reported = regexp.MustCompile(`^\| [\w.-]+/[\w.-]+#\d+: `)

// checkRows: each row of the tables has three cells, and a test in the last. The table of
// public reports has twenty rows and more, each with the report's name.
func checkRows(t *testing.T, page string) {
	t.Helper()
	page, reports, found := strings.Cut(page, "\n## Public reports")
	if !found {
		t.Error("docs/faults.md has no public reports")
	}
	rows := func(text string) (list []string) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| what goes wrong") {
				list = append(list, line)
			}
		}
		return list
	}
	for _, line := range append(rows(page), rows(reports)...) {
		if cells := strings.Split(line, " | "); len(cells) != 3 || !strings.Contains(cells[2], "`Test") {
			t.Errorf("docs/faults.md: no test in %s", line)
		}
	}
	for _, line := range rows(reports) {
		if !reported.MatchString(line) {
			t.Errorf("docs/faults.md: no report in %s", line)
		}
	}
	if n := len(rows(reports)); n < 20 {
		t.Errorf("docs/faults.md has %d public reports", n)
	}
}
