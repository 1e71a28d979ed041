package catalog

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// read gives what the documents of a file are, as "schema/package/name", and why
// reading ended.
func read(r io.Reader) ([]string, error) {
	var list []string
	docs := newDocuments(r)
	for {
		doc, err := docs.next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		m, err := doc.meta()
		if err != nil {
			return list, err
		}
		list = append(list, m.Schema+"/"+m.Package+"/"+m.Name)
	}
}

// TestDocumentsAsTheirs cuts files as operator-registry does.
func TestDocumentsAsTheirs(t *testing.T) {
	tests := []string{
		"", "\n", " \n\n", "# only a comment\n", "---\n", "---\n---\n",
		`{"schema":"a","name":"x"}`,
		`{"schema":"a"}{"schema":"b"}`,
		"{\"schema\":\"a\"}\n\n  {\"schema\":\"b\"}\n",
		"{\"schema\":\"a\"}\n---\n{\"schema\":\"b\"}\n",
		"{\"schema\":\"a\"}   \n---\nschema: b\n",
		"{\"schema\":\"a\"}{\"schema\":\"b\"}\n---\n{\"schema\":\"c\"}\n",
		`{"schema":"a"} trailing`,
		`{"schema":"a"`,
		"{schema: a, name: 'x}'}\n",
		"{schema: a}\n---\n{schema: b}\n",
		"\n\n{\"schema\":\"a\"}",
		"schema: a\n", "---\nschema: a\n---\nschema: b\n", "schema: a\n--- # note\nschema: b",
		"schema: a\n--- text\nschema: b", "schema: a\n...\n---\nschema: b\n",
		"Schema: a\nNAME: n\npackage: p\n", "schema: a\nSchema: b\n", "schema: [a]\n", "- a\n- b\n", "just text\n",
		"# README\n\nThis: is: not\n", "[1,2]", `"text"`, "null", "schema: &a b\nname: *a\n",
		"schema: a\r\n---\r\nschema: b\r\n", "schema: a\n---\n{\"schema\":\"b\"}\n---\nschema: c", "\ufeffschema: a\n", "schema: a\nschema: b\n",
		"schema: a\n\t- x\n", "schema: \"\\u0061\"\n",
	}
	for _, in := range tests {
		var want []string
		werr := declcfg.WalkMetasReader(strings.NewReader(in), func(m *declcfg.Meta, err error) error {
			if err == nil {
				want = append(want, m.Schema+"/"+m.Package+"/"+m.Name)
			}
			return err
		})
		got, err := read(strings.NewReader(in))
		if !slices.Equal(got, want) || (err == nil) != (werr == nil) {
			t.Errorf("%q: got %q, %v; theirs %q, %v", in, got, err, want, werr)
		}
	}
}

func many(s string, n int) string { return strings.Repeat(s, n) }

func TestDocumentBounds(t *testing.T) {
	const mib = 1 << 20
	bomb := "a: &a [" + many("x,", 9) + "x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, many(fmt.Sprintf("*%c,", c-1), 9), c-1)
	}
	tests := []struct{ name, in, want string }{
		{"json that fits", `{"schema":"a","x":"` + many("y", 15*mib) + `"}` + many(`{"schema":"b"}`, 3), ""},
		{"yaml that fits", "schema: a\nx: " + many("y", 15*mib) + "\n---\nschema: b\n", ""},
		{"exactly", `{"schema":"a","x":"` + many("y", maxDocument-len(`{"schema":"a","x":""}`)) + `"}`, ""},
		{"one byte more", `{"schema":"a","x":"` + many("y", maxDocument-len(`{"schema":"a","x":""}`)+1) + `"}`, "more than 16 MiB"},
		{"json too large", `{"schema":"a","x":"` + many("y", 17*mib) + `"}`, "more than 16 MiB"},
		{"yaml too large", "schema: a\nx: " + many("y", 17*mib) + "\n", "more than 16 MiB"},
		{"yaml of many lines", "schema: a\n" + many("# a comment of some length, so that there is little else\n", 17*mib/57), "more than 16 MiB"},
		{"second too large", `{"schema":"a"}{"schema":"a","x":"` + many("y", 17*mib) + `"}`, "more than 16 MiB"},
		{"white space", many(" ", 17*mib), "more than 16 MiB"},
		{"white space after json", `{"schema":"a"}` + many(" ", 17*mib), "more than 16 MiB"},
		{"dense json", `{"schema":"a","x":[` + many("1,", maxMarks) + `1]}`, "more than 524288 values"},
		{"commas in json strings", `{"schema":"a","x":"\"` + many(`,:\\`, maxMarks) + `"}`, ""},
		{"dense yaml", "schema: a\nx: [" + many("1,", maxMarks) + "1]\n", "more than 524288 values"},
		{"dashes", "schema: a\nx:\n  " + many("- ", maxMarks) + "\n", "more than 524288 values"},
		{"aliases", "schema: a\n" + bomb, "too large once its YAML aliases are followed"},
		{"aliases of a large string", "schema: a\nx: &x " + many("y", mib) + "\nz: [" + many("*x,", 20) + "]\n", "too large once its YAML aliases are followed"},
		{"aliases after a quoted key", `{schema: a, "x":&x ` + many("y", mib) + ", z: [" + many("*x,", 20) + "]}\n", "too large once its YAML aliases are followed"},
		{"an alias in itself", "schema: a\nx: &x [*x]\n", "too large once its YAML aliases are followed"},
		{"few aliases", "schema: &s a\nx: &x {<<: {a: b}}\ny: [*x, *x, *s]\n", ""},
		{"depth", `{"schema":"a","x":` + many("[", 20000) + many("]", 20000) + `}`, "exceeded max depth"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			list, err := read(strings.NewReader(tc.in))
			switch {
			case tc.want == "" && (err != nil || list[0] != "a//"):
				t.Errorf("got %q, %v", list, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %q, %.200v; want %s", list, err, tc.want)
			}
		})
	}
}

// TestDocumentsReadError keeps why a file could not be read, whatever a decoder
// makes of the bytes that did come.
func TestDocumentsReadError(t *testing.T) {
	gone := errors.New("the registry went away")
	for _, in := range []string{"", " ", `{"schema":"a"}`, `{"schema":"a","x":"`, `{"schema":"a"}{`, "schema: a\n", "schema: a\n---\n", "{schema: a}\n", `{schema`} {
		_, err := read(io.MultiReader(strings.NewReader(in), broken{gone}))
		if !errors.Is(err, gone) {
			t.Errorf("%q: got %v", in, err)
		}
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
