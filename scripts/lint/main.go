// Lint is a vet tool with the analyzers that go vet and staticcheck lack.
//
//	go build -C scripts/lint -o ../../bin/ .
//	go vet -vettool=bin/lint ./...
//
// They are: errorlint (errors are compared with errors.Is and errors.As, and
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
	"go/ast"
	"go/token"
	"strings"

	"github.com/gostaticanalysis/nilerr"
	"github.com/nishanths/predeclared/passes/predeclared"
	"github.com/polyfloyd/go-errorlint/errorlint"
	"github.com/sivchari/containedctx"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	unitchecker.Main(
		heeding(errorlint.NewAnalyzer()),
		heeding(containedctx.Analyzer),
		heeding(predeclared.Analyzer),
		heeding(nilerr.Analyzer),
	)
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
