package strict

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

type version struct {
	Min string `json:"min"`
	Max string `json:"max"`
}

type target struct {
	Name    string     `json:"name"`
	On      bool       `json:"on"`
	Count   int64      `json:"count"`
	Address netip.Addr `json:"address"`
	Words   []string   `json:"words"`
	Ranges  []version  `json:"ranges"`
	Sub     struct {
		Name string `json:"name"`
	} `json:"sub"`
	version
	Hidden string `json:"-"`
	Plain  string
	Ratio  float64 `json:"ratio"`
}

func decode(in string) (target, Places, error) {
	var v target
	doc, err := Parse([]byte(in))
	if err != nil {
		return v, nil, err
	}
	places, err := doc.Decode(&v)
	return v, places, err
}

func TestDecodeValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		good func(v target) bool
	}{
		{"name: plain", func(v target) bool { return v.Name == "plain" }},
		{"NAME: 'quoted'", func(v target) bool { return v.Name == "quoted" }},
		{"name: |\n  two\n  lines\n", func(v target) bool { return v.Name == "two\nlines\n" }},
		{"name: 2026-01-02", func(v target) bool { return v.Name == "2026-01-02" }},
		{"name: !!str 12", func(v target) bool { return v.Name == "12" }},
		{"name: yes", func(v target) bool { return v.Name == "yes" }},
		{"name: null\nwords: ~\nsub:\n", func(v target) bool { return v.Name == "" && v.Words == nil }},
		{"on: true", func(v target) bool { return v.On }},
		{"on: Yes", func(v target) bool { return v.On }},
		{"on: off", func(v target) bool { return !v.On }},
		{"count: 0x10", func(v target) bool { return v.Count == 16 }},
		{"count: -5", func(v target) bool { return v.Count == -5 }},
		{"address: 10.0.0.1", func(v target) bool { return v.Address == netip.MustParseAddr("10.0.0.1") }},
		{"words: [a, b]", func(v target) bool { return strings.Join(v.Words, "") == "ab" }},
		{"words: []", func(v target) bool { return v.Words == nil }},
		{"ranges:\n- {min: a}\n-\n- {max: b}\n", func(v target) bool { return len(v.Ranges) == 3 && v.Ranges[0].Min == "a" && v.Ranges[2].Max == "b" }},
		{"min: embedded", func(v target) bool { return v.Min == "embedded" }},
		{"words: &w [x]\nsub: {name: &n y}\nname: *n\n", func(v target) bool { return v.Name == "y" && v.Sub.Name == "y" }},
		{"ranges: [&r {min: a, max: b}, {<<: *r, max: c}]", func(v target) bool { return v.Ranges[1] == version{"a", "c"} }},
		{"ranges: [&r {min: a}, &s {min: x, max: y}, {<<: [*r, *s]}]", func(v target) bool { return v.Ranges[2] == version{"a", "y"} }},
		{"ranges: [&r {min: a}, &s {<<: *r, max: y}, {<<: *s}]", func(v target) bool { return v.Ranges[2] == version{"a", "y"} }},
		{"\ufeffname: bom", func(v target) bool { return v.Name == "bom" }},
		{"---\nname: a\n...\n", func(v target) bool { return v.Name == "a" }},
	}
	for _, tc := range tests {
		v, _, err := decode(tc.in)
		if err != nil || !tc.good(v) {
			t.Errorf("%q: got %+v, %v", tc.in, v, err)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"hidden: a", `1:1: unknown key "hidden" at the top level`},
		{"plain: a", `1:1: unknown key "plain" at the top level`},
		{"ratio: 1.5", "1:8: ratio is read into a float64, which has no rule"},
		{"name: !!binary aGk=", "1:7: name must be a string, not a value of another kind"},
		{"name: true", "1:7: name must be a string, not the bare word true; write it in quotes"},
		{"name: {}", "1:7: name must be a string, not a mapping"},
		{"on: 'yes'", `1:5: on wants true or false, not the string "yes"`},
		{"on: []", "1:5: on wants true or false, not a list"},
		{"count: !!int x", "1:8: count must be a whole number, not the number x"},
		{"count: " + strings.Repeat("x", 50), "1:8: count must be a whole number, not a string"},
		{"address: 10.0.0", `1:10: address: ParseAddr("10.0.0"): IPv4 address too short`},
		{"address: [a]", "1:10: address must be a string, not a list"},
		{"sub: {name: a, naem: b}", `1:16: unknown key "naem" in sub; did you mean "name"?`},
		{"sub: {max: b}", `1:7: unknown key "max" in sub`},
		{"sub: {words: []}", `1:7: unknown key "words" in sub; it belongs at the top level`},
		{"? [a]\n: b\n", "1:3: a key at the top level must be a plain word, not a list"},
		{"1: b", `1:1: unknown key "1" at the top level`},
		{"x" + strings.Repeat("é", 40) + ": b", `1:1: unknown key "x` + strings.Repeat("é", 29) + `..." at the top level`},
		{"name: a\nName: b", `2:1: key "Name" at the top level is there twice; the first is on line 1`},
		{"name: &a b\nsub: {<<: *a}", `2:11: a merge key in sub must be a mapping, not the string "b"`},
		{"sub: {<<: ~}", "1:11: a merge key in sub must be a mapping, not nothing"},
		{"on: |\n  two\n  lines\n", `1:5: on wants true or false, not the string "two\nlines\n"`},
		{"sub: &s\n  <<: *s", "2:7: merge keys in sub go more than 16 deep"},
		{"ranges: &r [*r]", "1:9: ranges[0] must be a mapping of keys to values, not a list"},
		{"name: *nobody", "1:1: not valid YAML here or just above: unknown anchor 'nobody' referenced"},
		{"name: a\n...\nb", "3:1: not valid YAML here or just above: did not find expected <document start>"},
		{"name: a\n---\n---\nname: b", "3:1: a second document starts here; one file holds one configuration"},
		{"sub:\n\tname: a", "2:2: there is a tab before this; YAML is indented with spaces alone"},
		{"sub:\n  -\tname: a", "2:5: there is a tab before this; YAML is indented with spaces alone"},
		{"sub:\n  - -\t- a: 1", "2:7: there is a tab before this; YAML is indented with spaces alone"},
		{"text: |\n  a\n  \tb\nsub:\n  \tname: a", "5:4: there is a tab before this; YAML is indented with spaces alone"},
		{"name: a\n---\nb: {", "3:1: not valid YAML here or just above: did not find expected node content"},
		{"name: a\x01", "1:1: not valid YAML here or just above: control characters are not allowed"},
		{"words:\n- a\n b\n- c: [\n", "4:1: not valid YAML here or just above: did not find expected node content"},
	}
	for _, end := range []string{"---\n", "---\n# the end\n", "...\n", "---\n---\n"} {
		if v, _, err := decode("name: a\n" + end); err != nil || v.Name != "a" {
			t.Errorf("nothing after %q: %+v, %v", end, v, err)
		}
	}
	for _, tc := range tests {
		v, _, err := decode(tc.in)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%q: read as %+v\ngot  %v\nwant %s", tc.in, v, err, tc.want)
		}
	}
}

func TestDecodeReportsAtMost(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for i := range 3 * maxErrors {
		fmt.Fprintf(&in, "key%d: 1\n", i)
	}
	_, _, err := decode(in.String())
	list := Errors(err)
	if len(list) != maxErrors || list[0].Unknown != "key0" || list[maxErrors-1].Line != maxErrors {
		t.Errorf("got %d errors: %v", len(list), err)
	}
}

func TestDecodeWantsStruct(t *testing.T) {
	t.Parallel()
	doc, err := Parse([]byte("name: a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.Decode(new(string)); err == nil || Errors(err) != nil {
		t.Errorf("got %v", err)
	}
}

func TestPeek(t *testing.T) {
	t.Parallel()
	doc, err := Parse([]byte("other: [1]\nname: a\n"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Name string `json:"name"`
	}
	places, err := doc.Peek(&v)
	if err != nil || v.Name != "a" || places.Of("name").Value != (Pos{2, 7}) {
		t.Errorf("got %+v, %v, %v", v, places, err)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	_, places, err := decode("sub: &s\n  name: b\nranges:\n  - min: é\n    max: b\n  - {min: c}\n")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Place{
		"":                 {Pos{1, 1}, Pos{1, 1}},
		"sub":              {Pos{1, 1}, Pos{1, 6}},
		"sub.name":         {Pos{2, 3}, Pos{2, 9}},
		"sub.missing":      {Pos{1, 1}, Pos{1, 6}},
		"ranges[0]":        {Pos{4, 5}, Pos{4, 5}},
		"ranges[1].min":    {Pos{6, 6}, Pos{6, 11}},
		"ranges[1].max":    {Pos{6, 5}, Pos{6, 5}},
		"ranges[7]":        {Pos{3, 1}, Pos{4, 3}},
		"missing[3].a.b.c": {Pos{1, 1}, Pos{1, 1}},
	} {
		if got := places.Of(path); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
}

// TestBombs reads small files that stand for huge ones.
func TestBombs(t *testing.T) {
	many := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	deep := "sub: &m0 {name: a}\n"
	for i := range 12 {
		deep += fmt.Sprintf("x%d: &m%d {<<: [%s]}\n", i, i+1, many(fmt.Sprintf("*m%d", i), 12))
	}
	type big struct {
		A []struct {
			B []struct {
				C []string `json:"c"`
			} `json:"b"`
		} `json:"a"`
	}
	tests := []struct{ name, in, want string }{
		{"aliases", "a: [&a {b: [&b {c: [" + many("x", 1000) + "]}," + many("*b", 1000) + "]}," + many("*a", 1000) + "]\n", "the file holds more than 262144 values"},
		{"cycle", "a: &a [{b: &b [{c: *a}, {c: *b}]}]\n", "must be a string, not a mapping"},
		{"nesting", "a: " + strings.Repeat("[", 200000), "exceeded max depth"},
		{"merges", deep + "a: [{<<: *m12}]\n", "the file holds more than"},
		{"size", "# " + strings.Repeat("x", MaxSize), "at most 1048576 are read"},
		{"comments", strings.Repeat("#\n", MaxSize/2), "the file is empty"},
		{"dashes", "a:\n" + strings.Repeat("-\n", maxValues+10), "the file holds more than"},
		{"open brackets", "a: [" + strings.Repeat("x,", MaxSize/8), "not valid YAML"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			doc, err := Parse([]byte(tc.in))
			if err == nil {
				_, err = doc.Decode(new(big))
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %.200v, want %s", err, tc.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
