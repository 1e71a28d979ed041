package helm

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// tree writes files below a new directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func webChart() map[string]string {
	return map[string]string{
		"Chart.yaml": chartYAML, "values.yaml": "tag: one\n", ".helmignore": "*.bak\nsecret/\n",
		"templates/a.yaml": pod("Pod", "spec: {containers: [{name: c, image: 'a.io/c:{{.Values.tag}}'}]}"),
		"old.bak":          "x", "secret/key": "x", "files/more.txt": "x",
	}
}

func TestPackDir(t *testing.T) {
	t.Parallel()
	dir := tree(t, webChart())
	if err := os.Symlink("more.txt", filepath.Join(dir, "files", "link.txt")); err != nil {
		t.Fatal(err)
	}
	first, err := PackDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := loader.LoadArchiveFiles(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if want := []string{"Chart.yaml", ".helmignore", "files/link.txt", "files/more.txt", "templates/a.yaml", "values.yaml"}; !slices.Equal(names, want) {
		t.Errorf("packed %q, want %q", names, want)
	}
	if got, err := found(t, first, nil); err != nil || !slices.Equal(got, []string{"Pod/app container c = a.io/c:one"}) {
		t.Errorf("got %q, %v", got, err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "values.yaml"), later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "values.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := PackDir(dir)
	if err != nil || !bytes.Equal(again, first) {
		t.Errorf("the same files give other bytes, %v", err)
	}
}

func TestPackDirRefused(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"secret.txt": "x"})
	tests := map[string]struct {
		change func(dir string) error
		want   string
	}{
		"link out": {func(dir string) error {
			return os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "files", "l"))
		}, "escapes"},
		"relative link": {func(dir string) error {
			return os.Symlink("../../../../../../etc/hostname", filepath.Join(dir, "files", "l"))
		}, "escapes"},
		"directory out": {func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "charts")) }, "escapes"},
		"directory":     {func(dir string) error { return os.Symlink("files", filepath.Join(dir, "charts")) }, "is not a regular file"},
		"pipe":          {func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600) }, "is not a regular file"},
		"no Chart.yaml": {func(dir string) error { return os.Remove(filepath.Join(dir, "Chart.yaml")) }, "it has no Chart.yaml"},
		"large":         {func(dir string) error { return os.WriteFile(filepath.Join(dir, "big"), make([]byte, 5<<20+1), 0o600) }, "more than the 5 MiB"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, webChart())
			if err := tc.change(dir); err != nil {
				t.Fatal(err)
			}
			if c, err := PackDir(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v; want %s", c, err, tc.want)
			}
		})
	}
}

// TestPackGolden: a chart has one digest, whichever Go release packed it. The
// encoder is pinned in go.mod.
func TestPackGolden(t *testing.T) {
	t.Parallel()
	files := webChart()
	files["files/more.txt"] = strings.Repeat("a line of text that repeats itself, and a bit more\n", 4000)
	c, err := PackDir(tree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:e40ec2361bbfc50235c05831834b85650c67802fe12242cbeea5148658952db8"
	if got := digest.FromBytes(c); got != want {
		t.Errorf("the archive has %d bytes with digest %s", len(c), got)
	}
}
