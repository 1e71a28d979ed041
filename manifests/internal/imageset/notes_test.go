package imageset

import (
	"strings"
	"testing"
)

// TestNotes are configurations that are legal and likely not what is meant.
func TestNotes(t *testing.T) {
	t.Parallel()
	for mirror, want := range map[string]string{
		"operators: [{catalog: a.io/c:v1, targetCatalog: mirror.example.com/a/b}]":       "targetCatalog mirror.example.com/a/b: mirror.example.com looks like the host of a registry and becomes a part of the path in the mirror; if it is a host, write a/b",
		"operators: [{catalog: a.io/c:v1, targetCatalog: localhost/a}]":                  "targetCatalog localhost/a",
		"additionalImages: [{name: a.io/c:v1, targetRepo: mirror.example.com/a}]":        "mirror.additionalImages[0].targetRepo mirror.example.com/a",
		"operators: [{catalog: a.io/c:v1, targetCatalog: mine/a.b}]":                     "",
		"operators: [{catalog: 'docker://a.io/c:v1'}, {catalog: a.io/d, targetTag: v1}]": "",
	} {
		c, err := Parse("f.yaml", []byte(header+"mirror:\n  "+mirror+"\n"))
		if err != nil {
			t.Errorf("%s: %v", mirror, err)
			continue
		}
		if notes := strings.Join(c.Notes(), "; "); (want == "") != (notes == "") || !strings.Contains(notes, want) {
			t.Errorf("%s: notes %q, want %q", mirror, notes, want)
		}
		if len(c.Mirror.Operators) > 1 && c.Mirror.Operators[0].Catalog != "a.io/c:v1" {
			t.Errorf("the catalog is %q", c.Mirror.Operators[0].Catalog)
		}
	}
	c, err := Parse("f.yaml", []byte(header+"mirror: {}\narchiveSize: 4\n"))
	if err != nil || len(c.Notes()) != 1 || !strings.Contains(c.Notes()[0], "archiveSize 4") {
		t.Errorf("archiveSize: %v, %v", c, err)
	}
}
