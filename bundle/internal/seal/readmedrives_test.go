package seal

import (
	"strings"
	"testing"
)

// TestReadmeOfDrives says which drive it is, and keeps the wording to the byte.
func TestReadmeOfDrives(t *testing.T) {
	t.Parallel()
	a := About{Bundle: id, Age: "age", Why: "any version", Ways: []Opening{{File: "key-1.age", Identity: "KEY", Note: "with your key"}}, Drive: 2, Of: 3}
	early := string(a.Readme(ReadmeDrives))
	a.Signatures, a.Sparse = []string{"drive.json.sig"}, true
	signed := string(a.Readme(ReadmeDrives))
	a.Drive, a.Signatures = 3, []string{"bundle.json.sig", "drive.json.sig"}
	last := string(a.Readme(ReadmeDrives))
	for i, s := range []string{early, signed, last} {
		want := []string{"drive 2 of 3", "ABCDEFGH-2", "drive.json.sig < drive.json"}[i]
		if !strings.Contains(s, want) || !strings.Contains(s, "ABCDEFGH-3") || strings.Contains(s, "%!") || strings.Contains(s, "EXTRA") {
			t.Errorf("README.txt %d lacks %q:\n%s", i, want, s)
		}
		for line := range strings.Lines(s) {
			if len(line) > 125 {
				t.Errorf("a line of %d characters: %s", len(line), line)
			}
		}
	}
	if got := Sum([]byte(early + signed + last)); got != "fa4ebd14930392be4cc7feebc4be71ba4fe92227a82ac27a00b4fe89dcab81c9" {
		t.Errorf("the seventh wording has changed: %s; bundles have it, so a new text needs a new number", got)
	}
}
