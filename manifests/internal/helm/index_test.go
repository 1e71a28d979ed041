package helm

import (
	"fmt"
	"strings"
	"testing"
)

const indexYAML = `# comment
apiVersion: v1
entries:
  web:
  - name: web
    description: |
      words

      more: words
    version: 1.9.0
    urls: [web-1.9.0.tgz]
  - name: web
    version: 1.10.0
    digest: abc
    urls:
    - https://a.io/web-1.10.0.tgz
  - {name: web, version: 2.0.0-rc.1, urls: [web-2.tgz]}
  - {name: other, version: 9.0.0, urls: [x.tgz]}
  - {name: web, version: 8.0.0}
  lib:
  - name: lib
    type: library
    version: 0.1.0+build
    urls: [lib.tgz]
generated: "2024-01-01T00:00:00Z"
`

func TestIndex(t *testing.T) {
	t.Parallel()
	flow := `{"apiVersion": "v1", "entries": {"web": [{"name":"web","version":"1.9.0","urls":["a"]},{"name":"web","version":"1.10.0","urls":["a"]},{"name":"web","version":"2.0.0-rc.1","urls":["a"]}],
  "lib": [{"name":"lib","type":"library","version":"0.1.0+build","urls":["a"]}]}}`
	forms := map[string]string{
		"as helm writes it":  indexYAML,
		"indented otherwise": strings.NewReplacer("\n  ", "\n    ", "\n      ", "\n          ").Replace(indexYAML),
		"flow":               "# " + "not JSON\n" + flow,
		"json":               flow,
	}
	tests := []struct {
		name, version, want string
		fails               bool
	}{
		{"web", "", "1.10.0", false},
		{"web", "1.9.0", "1.9.0", false},
		{"web", ">=1.2 <1.10", "1.9.0", false},
		{"web", ">=1.2 <2", "1.10.0", false},
		{"web", ">1-0", "2.0.0-rc.1", false},
		{"web", "2.0.0-rc.1", "2.0.0-rc.1", false},
		{"web", "3.0.0", "", false},
		{"web", "newest", "", true},
		{"lib", "0.1.0+build", "0.1.0+build", false},
		{"none", "", "", false},
	}
	for form, text := range forms {
		t.Run(form, func(t *testing.T) {
			x, err := ParseIndex([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(x.Names(), len(x["web"]), x["lib"][0].IsLibrary()); got != "[lib web] 3 true" {
				t.Errorf("read %s", got)
			}
			for _, tc := range tests {
				e, ok, err := x.Find(tc.name, tc.version)
				if e.Version != tc.want || ok != (tc.want != "") || (err != nil) != tc.fails {
					t.Errorf("%s %q: got %q, %v, %v; want %q", tc.name, tc.version, e.Version, ok, err, tc.want)
				}
			}
		})
	}
	for _, text := range []string{"entries: [", "entries:\n  web: 1\n", "<html></html>: : "} {
		if x, err := ParseIndex([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, x)
		}
	}
}

func TestLargeIndex(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("apiVersion: v1\nentries:\n")
	for c := range 100 {
		fmt.Fprintf(&b, "  chart%d:\n", c)
		for v := range 100 {
			fmt.Fprintf(&b, "  - apiVersion: v2\n    name: chart%d\n    version: 1.%d.0\n    description: %s\n    urls:\n    - c%d-%d.tgz\n", c, v, strings.Repeat("words ", 20), c, v)
		}
	}
	if _, ok := readByLines([]byte(b.String())); !ok {
		t.Error("an index as Helm writes it is not read chart by chart")
	}
	x, err := ParseIndex([]byte(b.String()))
	if err != nil || len(x) != 100 || x["chart7"][0].Version != "1.99.0" || len(x["chart7"]) != 100 {
		t.Errorf("%d charts, %v", len(x), err)
	}
}
