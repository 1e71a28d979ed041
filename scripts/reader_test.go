package scripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestSecondReader: a reader that was written from bundle/FORMAT.md alone comes to the verdict
// of each vector. So what the format says is enough, and the bytes are as it says.
func TestSecondReader(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	files, err := filepath.Glob("../testdata/vectors/*/*/vector.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	var lines []string
	for _, file := range files {
		lines = append(lines, vectorLine(filepath.Dir(file)))
	}
	for i, answer := range r.batch(t, lines) {
		t.Run(strings.TrimPrefix(filepath.Dir(files[i]), "../testdata/vectors/"), func(t *testing.T) {
			if wrong := answer.compare(vectorFields(read(t, files[i]))); wrong != "" {
				t.Errorf("the reader does not say %s, but ends with %d:\n%s", wrong, answer.exit, answer.text)
			}
		})
	}
}

// secondReader runs scripts/reader/reader.py.
type secondReader struct{ path string }

// newReader finds the programs that the reader uses. age is built where the one in $PATH
// does not know post-quantum keys.
func newReader(t *testing.T) secondReader {
	t.Helper()
	for _, program := range []string{"python3", "zstd", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not here", program)
		}
	}
	dir := t.TempDir()
	cmd := proctest.Within(t, proctest.Build, "go", "build", "-o", filepath.Join(dir, "age"), "filippo.io/age/cmd/age")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build of age: %v\n%s", err, out)
	}
	return secondReader{path: dir + string(os.PathListSeparator) + os.Getenv("PATH")}
}

// answer is what the reader says of one command.
type answer struct {
	exit int
	text string
}

// batch gives the reader many commands, because its start takes longer than a small bundle.
func (r secondReader) batch(t *testing.T, lines []string) []answer {
	t.Helper()
	cmd := proctest.Command(t, "python3", "reader/reader.py", "batch")
	cmd.Env = append(os.Environ(), "PATH="+r.path)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	var answers []answer
	var text strings.Builder
	for line := range strings.Lines(string(out)) {
		var exit int
		if n, _ := fmt.Sscanf(line, "exit: %d", &exit); n == 1 {
			answers = append(answers, answer{exit: exit, text: text.String()})
			text.Reset()
			continue
		}
		text.WriteString(line)
	}
	if err != nil || len(answers) != len(lines) {
		t.Fatalf("%d answers to %d commands: %v\n%s", len(answers), len(lines), err, text.String())
	}
	return answers
}

// vectorLine is the command for one vector, with all that lies beside its bundle.
func vectorLine(dir string) string {
	line := "verify --allow-plain"
	for _, beside := range [][2]string{{"key.txt", "-i"}, {"signers", "--trust"}, {"baseline", "--baseline"}} {
		path := filepath.Join(dir, beside[0])
		if _, err := os.Stat(path); err == nil {
			line += fmt.Sprintf(" %s '%s'", beside[1], path)
		}
	}
	return fmt.Sprintf("%s '%s'", line, filepath.Join(dir, "bundle"))
}

func vectorFields(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			fields[key] = value
		}
	}
	return fields
}

// compare answers with what the vector expects and the reader does not say.
func (a answer) compare(fields map[string]string) string {
	exit, want := 4, []string{"verdict: damaged"}
	switch fields["expect"] {
	case "whole", "sparse":
		exit, want = 0, []string{"verdict: whole"}
		for _, count := range []string{"images", "gaps", "documents", "left out"} {
			if n, ok := fields[count]; ok {
				want = append(want, count+": "+n)
			}
		}
		if n, ok := fields["signatures"]; ok {
			want = append(want, n+" of those you trust have signed it")
		}
	case "unfinished":
		want = append(want, ".*unfinished.*")
	case "damaged", "truncated":
		want = append(want, ".*/bundle/"+regexp.QuoteMeta(fields["fault"])+": .*")
	case "needs":
		exit, want = 2, []string{"refused: .* the feature " + fields["feature"] + ",.*"}
	default:
		return "what is meant by " + fields["expect"]
	}
	for _, line := range want {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(a.text) {
			return line
		}
	}
	if a.exit != exit {
		return fmt.Sprintf("exit %d", exit)
	}
	return ""
}
