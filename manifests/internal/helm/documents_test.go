package helm

import "testing"

// TestDocumentsAsHelmCutsThem has what templates leave behind their separators.
func TestDocumentsAsHelmCutsThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"trimmed":      {"---apiVersion: v1\nkind: Pod\n", 1},
		"on the line":  {"--- {kind: Pod}\n--- {kind: Job}\n", 2},
		"usual":        {"---\nkind: Pod\n---\nkind: Job\n", 2},
		"empty ones":   {"---\n---\n\n---\nkind: Pod\n---\n", 1},
		"in a text":    {"kind: ConfigMap\ndata:\n  a: \"x --- y\"\n", 1},
		"nothing":      {"\n  \n", 0},
		"comment only": {"---\n# nothing\n", 0},
	} {
		list, err := documents("t.yaml", c.text)
		if err != nil || len(list) != c.want {
			t.Errorf("%s: %d objects, %v", name, len(list), err)
		}
	}
	if _, err := documents("t.yaml", "---\njust text\n"); err == nil {
		t.Error("text was taken for an object")
	}
}
