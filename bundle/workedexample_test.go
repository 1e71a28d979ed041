package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestWorkedExample runs the commands of FORMAT.md's worked example with bytes in the
// bundle that it names: they print what stands there.
func TestWorkedExample(t *testing.T) {
	t.Parallel()
	need(t, "zstd")
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n### With bytes\n")
	part, _, _ = strings.Cut(part, "\n## ")
	dir, err := filepath.Abs("../testdata/vectors/97c90a2/plain/bundle")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for i, block := range strings.Split(part, "```\n") {
		if i%2 == 0 || !strings.HasPrefix(block, "$ ") {
			continue
		}
		var commands []string
		var want strings.Builder
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				commands = append(commands, command)
			} else {
				want.WriteString(line)
			}
		}
		cmd := proctest.Command(t, "bash", "-ec", strings.Join(commands, ""))
		cmd.Dir = dir
		got, err := cmd.Output()
		if err != nil || string(got) != want.String() {
			t.Errorf("%v: %v\n got %s\nwant %s", commands, err, got, want.String())
		}
		ran += len(commands)
	}
	if ran < 5 {
		t.Errorf("only %d commands", ran)
	}
}
