package scripts

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"

	"github.com/satchel-airgap/satchel/oci/ocitest"
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
	case "damaged", "truncated", "beside", "closed":
		for _, file := range strings.Fields(fields["fault"]) {
			want = append(want, ".*/bundle/"+regexp.QuoteMeta(file)+": .*")
		}
	case "refused", "wrong":
	case "line ends":
		want = []string{"verdict: whole, but not as it was sealed"}
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

// TestSecondReaderOfNewBundles: what this build packs, on several drives with parity across them,
// signed and rekeyed, and a supplement, is as the format says. A drive that is lost comes back from
// parity that the second reader computes.
func TestSecondReaderOfNewBundles(t *testing.T) {
	if os.Getenv("SATCHEL_SOAK") == "" {
		t.Skip("it builds satchel: SATCHEL_SOAK=1 runs it")
	}
	t.Parallel()
	r := newReader(t)
	w := newWriter(t)
	w.run("pack", "-c", w.config, "-r", w.keygen("first.key"), "--segment-size", "1MiB", "--lanes", "1", "--drive-size", "2500KiB", w.drive("d1"), w.drive("d2"), w.drive("d3"))
	w.run("parity", "--parity", "10/10", w.drive("d1"), w.drive("d2"), w.drive("d3"))
	w.run("rekey", "-i", w.path("first.key"), "-r", w.keygen("second.key"), w.drive("d1"), w.drive("d2"), w.drive("d3"))
	w.run("pack", "-c", w.config, "-r", w.keygen("third.key"), "--segment-size", "1MiB", "--lanes", "1", w.drive("one"))
	lost := w.path("one/s-00-00002.age")
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	w.run("repair", "--from-source", "--lost", w.path("one"), "-c", w.config, "-r", w.keygen("fourth.key"), w.drive("supplement"))
	both := filepath.Join(w.dir, "both.key")
	if err := os.WriteFile(both, []byte(read(t, w.path("third.key"))+read(t, w.path("fourth.key"))), 0o600); err != nil {
		t.Fatal(err)
	}
	answers := r.batch(t, []string{
		fmt.Sprintf("extract -i %s %s %s %s %s", w.path("second.key"), w.path("d1"), w.path("d2"), w.path("d3"), w.path("layout")),
		fmt.Sprintf("rebuild %s %s %s", w.path("d1"), w.path("d3"), w.path("rebuilt")),
		fmt.Sprintf("verify -i %s %s", both, w.path("one")),
		fmt.Sprintf("verify -i %s %s %s", both, w.path("one"), w.path("supplement")),
	})
	for i, want := range []string{"verdict: whole", "rebuilt: ", "one/s-00-00002.age: is missing", "verdict: whole"} {
		if !strings.Contains(answers[i].text, want) || (answers[i].exit == 0) != (i != 2) {
			t.Errorf("command %d does not say %q, but ends with %d:\n%s", i+1, want, answers[i].exit, answers[i].text)
		}
	}
	segments, err := filepath.Glob(w.path("d2/s-*.age"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("%d segments on the second drive: %v", len(segments), err)
	}
	for _, segment := range segments {
		if read(t, filepath.Join(w.path("rebuilt"), filepath.Base(segment))) != read(t, segment) {
			t.Errorf("%s comes back with other bytes", filepath.Base(segment))
		}
	}
}

// writer is a build of satchel, and a registry with an image for it.
type writer struct {
	t      *testing.T
	dir    string
	config string
}

func newWriter(t *testing.T) writer {
	t.Helper()
	w := writer{t: t, dir: t.TempDir()}
	build := proctest.Within(t, proctest.Build, "go", "build", "-o", w.path("satchel"), "../cmd/satchel")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	store := olareg.New(config.Config{Storage: config.ConfigStorage{StoreType: config.StoreMem}, Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(store)
	t.Cleanup(func() {
		server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	c := ocitest.New(11)
	image := c.Image(false, c.Layer(2<<20, ocitest.LayerGzip), c.Layer(1<<20, ocitest.LayerGzip), c.Layer(1600<<10, ocitest.LayerGzip), c.Layer(5<<10, ocitest.LayerTar))
	if err := ocitest.Push(t.Context(), c, image, server.URL, "reader/app", "1.0"); err != nil {
		t.Fatal(err)
	}
	w.config = w.path("imageset.yaml")
	text := "apiVersion: mirror.openshift.io/v2alpha1\nkind: ImageSetConfiguration\nmirror:\n  additionalImages:\n  - name: " + strings.TrimPrefix(server.URL, "http://") + "/reader/app:1.0\n"
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w writer) path(name string) string { return filepath.Join(w.dir, name) }

func (w writer) drive(name string) string {
	w.t.Helper()
	if err := os.MkdirAll(w.path(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

// keygen makes a key, and answers with its recipient.
func (w writer) keygen(name string) string {
	w.t.Helper()
	return strings.TrimSpace(w.run("keygen", "--file", w.path(name)))
}

func (w writer) run(args ...string) string {
	w.t.Helper()
	cmd := proctest.Command(w.t, w.path("satchel"), args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+w.path("state"))
	if args[0] == "pack" || args[0] == "repair" {
		cmd.Args = append(cmd.Args, "--tls-verify=false")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("satchel %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}
