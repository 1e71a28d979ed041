package scripts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// fieldTerms are words that registries, images, OpenShift, Helm and Go already have.
var fieldTerms = strings.Fields(`
	additional artifact attachment authfile authority bundle ca catalog channel chart client collision config contents
	credential delivery descriptor destination digest drive encoding error file fingerprint forbidden foreign func graph helm host http https identity
	image images index instance inventory key keys layer layout location login manifest memory metadata mirror mixed node notices
	operator options package passphrase place places plain platform pod pods progress pull push reader recipient ref referrer registry
	release repository request resolver secret selection set signature site size sink source sources space status store
	template target unsupported url values verifier verify version writer fetch fetcher helper path ui
`)

// plainWords are words of everyday English that mean here what they mean everywhere.
var plainWords = strings.Fields(`
	absent attached blocked damage data endless extra incomplete large missing needs no part problem refused report sample too trouble unfinished unknown
`)

// camel finds the words of an identifier: CA, HTTP and URL are words too.
var camel = regexp.MustCompile(`[A-Z]+(?:[a-z]+)?`)

// TestGlossary: each exported type of the four libraries has a name made of terms of the
// field, of plain words, or of words that the glossary in docs/architecture.md explains.
func TestGlossary(t *testing.T) {
	t.Parallel()
	known := glossary(t)
	for _, lib := range []string{"oci", "transport", "bundle", "manifests"} {
		names := exportedTypes(t, filepath.Join("..", lib))
		if len(names) < 10 {
			t.Errorf("only %d exported types were found in %s", len(names), lib)
		}
		for _, name := range names {
			for _, word := range words(name) {
				if !slices.Contains(fieldTerms, word) && !slices.Contains(plainWords, word) && !known[word] && !known[strings.TrimSuffix(word, "ed")] {
					t.Errorf("%s.%s: %q is no term of the field, and the glossary of docs/architecture.md does not explain it", lib, name, word)
				}
			}
		}
	}
}

// words splits an identifier: "RegistryCA" is registry and ca, "PlainHTTPError" plain, http and error.
func words(name string) (list []string) {
	for _, w := range camel.FindAllString(name, -1) {
		upper := 0
		for upper < len(w) && unicode.IsUpper(rune(w[upper])) {
			upper++
		}
		if upper > 1 && upper < len(w) { // an abbreviation and the word behind it
			list = append(list, strings.ToLower(w[:upper-1]), strings.ToLower(w[upper-1:]))
		} else {
			list = append(list, strings.ToLower(w))
		}
	}
	return list
}

func exportedTypes(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				continue
			}
			for _, spec := range decl.Specs {
				if s := spec.(*ast.TypeSpec); s.Name.IsExported() {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}

// glossary reads the words of the table under "## Glossary".
func glossary(t *testing.T) map[string]bool {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(body), "\n## Glossary\n")
	if !ok {
		t.Fatal("docs/architecture.md has no glossary")
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	known := map[string]bool{}
	for line := range strings.Lines(rest) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || len(strings.Trim(cells[2], " -\n")) < 10 {
			continue
		}
		for _, w := range strings.FieldsFunc(strings.ToLower(cells[1]), func(r rune) bool { return !unicode.IsLetter(r) }) {
			known[w] = true
		}
	}
	if len(known) < 20 {
		t.Fatalf("the glossary has only %d words", len(known))
	}
	return known
}
