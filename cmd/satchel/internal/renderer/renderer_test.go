package renderer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/manifests"
)

const (
	testVersion = "test"
	asParent    = "SATCHEL_TEST_PARENT" // the test binary is one that asks about an endless chart
)

// TestMain makes the test binary a child where it is asked to be one.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == Command:
		os.Exit(Serve(os.Args[2:], testVersion, os.Stdin, os.Stdout, os.Stderr))
	case os.Getenv(asParent) != "":
		_, err := New(testVersion).Chart(context.Background(), chartOf(endless), manifests.ChartRequest{})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// endless is a template that takes no memory.
const endless = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}"

// chartOf is a chart with one template.
func chartOf(template string) []byte {
	return archive(map[string]string{"c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "c/templates/a.yaml": template})
}

func archive(files map[string]string) []byte {
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			panic(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// small are bounds that a test can wait for.
func small(ctx context.Context, in io.Reader, out io.Writer) error {
	return run(ctx, testVersion, bounds{memory: 64, cpu: 1, time: 10 * time.Second}, in, out)
}

// with adds files to those of a chart.
func with(more map[string]string) []byte {
	files := map[string]string{"c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n"}
	maps.Copy(files, more)
	return archive(files)
}

// nested is a chart within a chart within a chart.
func nested(depth int) []byte {
	inner := chartOf("")
	for range depth {
		inner = with(map[string]string{"c/charts/c.tgz": string(inner)})
	}
	return inner
}

// laughs is YAML whose aliases stand for 10^9 values.
func laughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return b.String()
}

func TestHostile(t *testing.T) {
	t.Parallel()
	long := "long: &l " + strings.Repeat("a", 1<<20) + "\nmany: [" + strings.TrimSuffix(strings.Repeat("*l, ", 5000), ", ") + "]\n"
	many := map[string]string{}
	for i := range 100000 {
		many[fmt.Sprintf("c/files/%d", i)] = ""
	}
	const memory, cpu = "64 MiB of memory", "1 s of CPU time"
	tests := map[string]struct {
		archive []byte
		want    []string // in the error: one of them
	}{
		"range":          {chartOf("{{ range until 2000000000 }}x{{ end }}"), []string{memory}},
		"repeat":         {chartOf(`a: {{ repeat 2000000000 "aaaaaaaaaa" }}`), []string{memory}},
		"output":         {chartOf(`{{ range until 1000000 }}{{ repeat 10000 "a" }}{{ end }}`), []string{memory}},
		"nested ranges":  {chartOf(endless), []string{cpu}},
		"include itself": {chartOf(`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`), []string{"nested reference", cpu, memory}},
		"tpl itself":     {with(map[string]string{"c/values.yaml": "x: '{{ tpl .Values.x . }}'\n", "c/templates/a.yaml": "{{ tpl .Values.x . }}"}), []string{cpu, memory}},
		"zeros":          {with(map[string]string{"c/files/zeros": string(make([]byte, 80<<20))}), []string{"maximum", memory}},
		"many files":     {with(many), []string{memory, cpu}},
		"a long error":   {chartOf(`{{ fail (repeat 1000000 "a") }}`), []string{"aaa ..."}},
		"many images":    {chartOf(`{{ range until 10001 }}` + "---\nkind: Pod\nspec: {containers: [{image: a}]}\n" + `{{ end }}`), []string{"more than 10000 images", cpu, memory}},
		"nested charts":  {nested(60), []string{memory, cpu, ""}},
		"values laugh":   {with(map[string]string{"c/values.yaml": laughs()}), []string{"excessive aliasing"}},
		"long aliases":   {with(map[string]string{"c/values.yaml": long}), []string{memory}},
		"output laughs":  {chartOf(laughs()), []string{"excessive aliasing"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := manifests.ChartRenderer(small).Chart(t.Context(), tc.archive, manifests.ChartRequest{})
			if !slices.ContainsFunc(tc.want, func(want string) bool {
				return want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want)
			}) {
				t.Errorf("got %v; want one of %q", err, tc.want)
			}
			t.Logf("%v after %v", err, time.Since(began))
		})
	}
}

// TestHostileIndex: the index of a repository is bounded as charts are.
func TestHostileIndex(t *testing.T) {
	t.Parallel()
	entry := `{"name":"a","version":"1","urls":["u"]},`
	for name, tc := range map[string]struct{ index, want string }{
		"empty entries": {`{"entries":{"a":[` + strings.Repeat("{},", 2000000) + `{}]}}`, "64 MiB of memory"},
		"many entries":  {`{"entries":{"a":[` + strings.Repeat(entry, 100000) + strings.TrimSuffix(entry, ",") + `]}}`, "more than 100000 charts and versions"},
	} {
		process := manifests.ChartRenderer(small)
		if name == "many entries" {
			process = New(testVersion)
		}
		if _, err := process.Index(t.Context(), []byte(tc.index)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v; want %s", name, err, tc.want)
		}
	}
}

// TestSame compares a child with this process, on the charts of other projects too.
func TestSame(t *testing.T) {
	t.Parallel()
	charts := map[string][]byte{"pod": chartOf("kind: Pod\nspec: {containers: [{name: c, image: a.io/c:1}]}\n"), "broken": chartOf("{{ if }}"), "no chart": []byte("x")}
	files, _ := filepath.Glob(filepath.Join("..", "..", "..", "..", "..", "shared", "data", "helm", "*.tgz"))
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		charts[filepath.Base(file)] = body
	}
	q := manifests.ChartRequest{Paths: []string{".spec.containers[0].image"}}
	for name, body := range charts {
		here, herr := manifests.ChartRenderer(nil).Chart(t.Context(), body, q)
		child, cerr := New(testVersion).Chart(t.Context(), body, q)
		if fmt.Sprintf("%+v", here) != fmt.Sprintf("%+v", child) || fmt.Sprintf("%T %v", herr, herr) != fmt.Sprintf("%T %v", cerr, cerr) {
			t.Errorf("%s: %+v, %v in a child\n%+v, %v here", name, child, cerr, here, herr)
		}
	}
}

// TestOtherVersion: a program that was replaced is not asked.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	_, err := New("other").Chart(t.Context(), chartOf(""), manifests.ChartRequest{})
	if err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("got %v", err)
	}
}

// TestInterrupted: an interruption ends the child at once.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	began := time.Now()
	_, err := New(testVersion).Chart(ctx, chartOf(endless), manifests.ChartRequest{})
	if took := time.Since(began); !errors.Is(err, context.Canceled) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

// TestAlone: no child outlives a parent that is killed.
func TestAlone(t *testing.T) {
	t.Parallel()
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), asParent+"=1")
	if err := parent.Start(); err != nil {
		t.Skipf("no /proc: %v", err)
	}
	child := ""
	for deadline := time.Now().Add(10 * time.Second); child == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent.Process.Pid))
		for _, file := range files {
			if body, err := os.ReadFile(file); err == nil && len(body) > 0 {
				child = strings.Fields(string(body))[0]
			}
		}
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if child == "" {
		t.Fatal("no child was seen")
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + child + "/stat")
		if err != nil || bytes.Contains(state, []byte(") Z ")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s is left: %s", child, state)
		}
	}
}
