// Lint is a vet tool with the analyzers of go vet, and some that it and staticcheck lack.
//
//	go build -C scripts/lint -o ../../bin/ .
//	go vet -vettool=bin/lint ./...
//
// Unlike go vet, it does not look into the packages of other modules, which takes minutes where nothing
// is cached: so it does not know which of their functions format as fmt.Printf does.
//
// Those that are lacking: errorlint (errors are compared with errors.Is and errors.As, and
// wrapped with %w), containedctx (no context.Context in a struct), predeclared
// (no name of the language is shadowed) and nilerr (an error that was found is
// not dropped by returning nil).
//
// A finding that is right as it stands has a line above it, as staticcheck reads
// them too:
//
//	//lint:ignore containedctx io.Reader has no context
package main

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"os"
	"slices"
	"strings"

	"github.com/gostaticanalysis/nilerr"
	"github.com/nishanths/predeclared/passes/predeclared"
	"github.com/polyfloyd/go-errorlint/errorlint"
	"github.com/sivchari/containedctx"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	if file, found := dependency(os.Args[1:]); found {
		unitchecker.Run(file, nil)
	}
	unitchecker.Main(append(slices.Clone(vet.Suite),
		heeding(errorlint.NewAnalyzer()),
		heeding(containedctx.Analyzer),
		heeding(predeclared.Analyzer),
		heeding(nilerr.Analyzer),
	)...)
}

// dependency is the file by which go vet asks about a package of another module, if
// that is what it does. None of those two thousand is analyzed: only their types are needed.
func dependency(args []string) (string, bool) {
	if len(args) == 0 || !strings.HasSuffix(args[len(args)-1], ".cfg") {
		return "", false
	}
	file := args[len(args)-1]
	data, err := os.ReadFile(file)
	var cfg unitchecker.Config
	if err != nil || json.Unmarshal(data, &cfg) != nil {
		return "", false
	}
	// Packages of our own are looked at for facts too: those of others never read them.
	return file, cfg.VetxOnly && !strings.HasPrefix(cfg.ImportPath, "github.com/satchel-airgap/satchel")
}

type line struct {
	file string
	line int
}

// heeding is the analyzer without what lint:ignore comments name, with its name in
// front of its messages.
func heeding(a *analysis.Analyzer) *analysis.Analyzer {
	wrapped := *a
	wrapped.Run = func(pass *analysis.Pass) (any, error) {
		ignored := ignores(pass.Fset, pass.Files, a.Name)
		inner := *pass
		inner.Report = func(d analysis.Diagnostic) {
			at := pass.Fset.Position(d.Pos)
			if !ignored[line{at.Filename, at.Line}] {
				d.Message = a.Name + ": " + d.Message
				pass.Report(d)
			}
		}
		return a.Run(&inner)
	}
	return &wrapped
}

// ignores are the lines below a comment that names the analyzer and gives a reason.
func ignores(fset *token.FileSet, files []*ast.File, name string) map[line]bool {
	found := map[line]bool{}
	for _, f := range files {
		for _, group := range f.Comments {
			for _, c := range group.List {
				rest, ok := strings.CutPrefix(c.Text, "//lint:ignore ")
				words := strings.Fields(rest)
				if !ok || len(words) < 2 {
					continue
				}
				at := fset.Position(c.Pos())
				for _, n := range strings.Split(words[0], ",") {
					if n == name {
						found[line{at.Filename, at.Line + 1}] = true
					}
				}
			}
		}
	}
	return found
}
