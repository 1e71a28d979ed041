package scripts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// quoted are lines of the documents that show what satchel printed.
var quoted = regexp.MustCompile(`^(?:satchel: (?:warning: )?|hint: |bundle |images in |in the mirror|the mirror |resuming |verified|packed |everything |pushed |wrote |/home/|nothing |added |its |writing |on the drive |shared |carried )`)

// run is words that stand together, without anything that was filled in.
var run = regexp.MustCompile(`[a-z][a-z']+(?: [a-z][a-z']+){3,}`)

// TestQuotes: the messages that documents show are those of the program. At the edges of what
// was filled in, a word of it cannot be told from one of the message, so these are not looked at.
func TestQuotes(t *testing.T) {
	t.Parallel()
	program := literals(t)
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, doc := range append(docs, "../README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		inside := false
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "```") {
				inside = !inside
			}
			if !inside || !quoted.MatchString(line) {
				continue
			}
			seen++
			for _, words := range run.FindAllString(line, -1) {
				list := strings.Fields(words)
				for n := 1; n+2 < len(list); n++ {
					if pair := list[n] + " " + list[n+1]; !strings.Contains(program, pair) {
						t.Errorf("%s:%d: the program does not print %q: %s", doc, i+1, pair, line)
					}
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d lines were found", seen)
	}
}

// literals are all strings in the program's code, one a line.
func literals(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"oci", "transport", "bundle", "manifests", "cmd"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						all.WriteString(s + "\n")
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
