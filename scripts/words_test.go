package scripts

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// avoided are turns that a reader has to guess at, and counts without a singular.
var avoided = regexp.MustCompile(`(?i)\b(told of|tells? of|gone on with|goes on with|be had|by name alone|vouch(es|ed|ing)?|settle[sd]?|thereof|begun anew|wants to be|cannot be noted|for a while cannot|spoken to|pass(ed|es|ing)? over|held against|(is|was|were|been) given up|hand(s|ed) on|in vain|by way of|beg[ai]ns? anew|asks? nobody|stays? behind|1 (images|blobs|packages|bundles))\b`)

// TestWords: code, tests and documents use plain words.
func TestWords(t *testing.T) {
	t.Parallel()
	cmd := proctest.Command(t, "git", "ls-files", "-z", "--", "*.go", "*.md", "*.txtar", ":!*/testdata/fuzz/*", ":!scripts/words_test.go")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("this is not a checkout: %v", err)
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(files) < 100 {
		t.Fatalf("%d files", len(files))
	}
	for _, name := range files {
		body, err := os.ReadFile("../" + name)
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(body, []byte("\n")) {
			if m := avoided.Find(line); m != nil {
				t.Errorf("%s:%d: %q: say it in plain words", name, i+1, m)
			}
		}
	}
}
