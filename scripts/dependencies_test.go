// Package scripts has the programs around satchel, each in a directory of its
// own. What stands here checks the project's own documents.
package scripts

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

const self = "github.com/satchel-airgap/satchel"

// licences has, for each name on the page, words that only its text has.
var licences = map[string]string{
	"0BSD":         "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted.",
	"Apache-2.0":   "Apache License",
	"BSD-3-Clause": "Neither the name of",
	"MIT":          "Permission is hereby granted, free of charge",
}

// goCommand runs go in the project and reads the JSON values it prints.
func goCommand[T any](t *testing.T, args ...string) (list []T) {
	t.Helper()
	cmd := proctest.Within(t, proctest.Build, "go", args...)
	cmd.Dir, cmd.Stderr = "..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var v T
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
}

// rows reads one section's table of the page: modules and their licences.
func rows(t *testing.T, page, section string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n## "+section+"\n")
	if !ok {
		t.Fatalf("no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	table := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(rest, -1) {
		table[m[1]] = m[2]
	}
	return table
}

// required reads go.mod: the direct modules of the block under a comment.
func required(t *testing.T, comment string) []string {
	t.Helper()
	body, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(body), comment)
	if !ok {
		t.Fatalf("go.mod has no block %q", comment)
	}
	block, _, _ := strings.Cut(rest, ")")
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(block, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return list
}

// imported are the modules that packages of satchel in the program import.
func imported(t *testing.T) []string {
	t.Helper()
	type pkg struct {
		ImportPath string
		Imports    []string
		Module     *struct{ Path string }
	}
	module, found := map[string]string{}, map[string]bool{}
	list := goCommand[pkg](t, "list", "-deps", "-json=ImportPath,Imports,Module", "./cmd/satchel")
	for _, p := range list {
		if p.Module != nil {
			module[p.ImportPath] = p.Module.Path
		}
	}
	for _, p := range list {
		for _, i := range p.Imports {
			if m := module[i]; module[p.ImportPath] == self && m != "" && m != self {
				found[m] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestDependencies holds docs/dependencies.md and the blocks of go.mod against
// what is imported, and licences against their text.
func TestDependencies(t *testing.T) {
	body, err := os.ReadFile("../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	program, tests := rows(t, string(body), "In the program"), rows(t, string(body), "In tests alone")
	if got, want := slices.Sorted(maps.Keys(program)), imported(t); !slices.Equal(got, want) {
		t.Errorf("docs/dependencies.md lists for the program\n%q, it imports\n%q", got, want)
	}
	if got, want := required(t, "// What satchel is built from."), slices.Sorted(maps.Keys(program)); !slices.Equal(got, want) {
		t.Errorf("go.mod requires for the program\n%q, docs/dependencies.md lists\n%q", got, want)
	}
	if got, want := required(t, "// Test dependencies"), slices.Sorted(maps.Keys(tests)); !slices.Equal(got, want) {
		t.Errorf("go.mod requires for tests\n%q, docs/dependencies.md lists\n%q", got, want)
	}
	maps.Copy(program, tests)
	type module struct{ Path, Dir string }
	args := append([]string{"mod", "download", "-json"}, slices.Sorted(maps.Keys(program))...)
	for _, m := range goCommand[module](t, args...) {
		checkLicence(t, m.Path, m.Dir, program[m.Path])
	}
	type edited struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	for _, r := range goCommand[edited](t, "mod", "edit", "-json")[0].Require {
		if !r.Indirect && program[r.Path] == "" {
			t.Errorf("%s is in no block of go.mod that has a comment", r.Path)
		}
	}
}

func checkLicence(t *testing.T, path, dir, name string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "LICENSE*"))
	if len(found) == 0 {
		found, err = filepath.Glob(filepath.Join(dir, "COPYING*"))
	}
	if len(found) == 0 { // c2sp.org/CCTV/age has it there
		found, err = filepath.Glob(filepath.Join(dir, "README.md"))
	}
	if err != nil || len(found) == 0 {
		t.Errorf("%s has no licence in %q: %v", path, dir, err)
		return
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if words := licences[name]; words == "" || !strings.Contains(strings.Join(strings.Fields(string(text)), " "), words) {
		t.Errorf("%s is not under %s", path, name)
	}
}
