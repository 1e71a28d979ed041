// Testtime shows where the time of tests goes: it reads what go test -json writes
// and prints, slowest first, each package and the longest tests. What failed is
// printed in full, and go test's own line of each package at the end.
//
//	go test -json ./... | go run ./scripts/testtime [-n 10]
//
// It ends with 1 if a test failed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is a line of go test -json (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// took is how long a package or one of its tests ran.
type took struct {
	name    string
	seconds float64
}

// report is what is known of a run.
type report struct {
	packages, tests []took
	closing         []string            // go test's last line of each package
	output          map[string][]string // by package and test, until it passes
	failed          bool
}

func main() {
	n := flag.Int("n", 10, "how many of the longest tests are shown")
	flag.Parse()
	r, err := read(os.Stdin, os.Stdout)
	if err == nil {
		r.print(os.Stdout, *n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testtime: read events:", err)
	}
	if err != nil || r.failed {
		os.Exit(1)
	}
}

// read gathers events from in. What is no event, such as a compiler's message, goes to
// out, and so does the output of what failed.
func read(in io.Reader, out io.Writer) (*report, error) {
	r := &report{output: map[string][]string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		r.add(e, out)
	}
	return r, lines.Err()
}

func (r *report) add(e event, out io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		r.output[key] = append(r.output[key], e.Output)
		word, _, _ := strings.Cut(e.Output, "\t")
		if word = strings.TrimSpace(word); e.Test == "" && slices.Contains([]string{"ok", "FAIL", "?"}, word) && strings.Contains(e.Output, "\t") {
			r.closing = append(r.closing, e.Output)
		}
		return
	case "build-fail", "fail":
		r.failed = true
		for _, s := range r.output[key] {
			fmt.Fprint(out, s)
		}
	case "pass", "skip":
	default:
		return
	}
	delete(r.output, key)
	if e.Test == "" {
		r.packages = append(r.packages, took{e.Package, e.Elapsed})
	} else if !strings.Contains(e.Test, "/") {
		r.tests = append(r.tests, took{e.Package + " " + e.Test, e.Elapsed})
	}
}

func (r *report) print(w io.Writer, n int) {
	for _, list := range [][]took{r.packages, r.tests} {
		slices.SortStableFunc(list, func(a, b took) int { return cmp.Compare(b.seconds, a.seconds) })
	}
	fmt.Fprintln(w, "\n| seconds | package |\n|---:|---|")
	for _, p := range r.packages {
		if p.seconds >= 0.1 {
			fmt.Fprintf(w, "| %.1f | %s |\n", p.seconds, p.name)
		}
	}
	fmt.Fprintln(w, "\n| seconds | test |\n|---:|---|")
	for _, t := range r.tests[:min(n, len(r.tests))] {
		fmt.Fprintf(w, "| %.1f | %s |\n", t.seconds, t.name)
	}
	fmt.Fprintln(w)
	for _, s := range r.closing {
		fmt.Fprint(w, s)
	}
}
