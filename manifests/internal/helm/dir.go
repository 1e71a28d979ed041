package helm

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"
)

const (
	metadataFile = "Chart.yaml"
	maxFiles     = 10000
)

// file is one of a directory, by its path with slashes.
type file struct {
	name string
	body []byte
}

// PackDir packs the chart in a directory into an archive. What .helmignore names is
// left out. A link is followed to a file within the directory; any other is an
// error, as is what is neither file nor directory.
func PackDir(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	files, err := readDir(root)
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	return pack(files)
}

func readDir(root *os.Root) ([]file, error) {
	rules, err := ignoreRules(root)
	if err != nil {
		return nil, err
	}
	var files []file
	left := loader.MaxDecompressedChartSize
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch ignored := rules.Ignore(name, info); {
		case ignored && e.IsDir():
			return fs.SkipDir
		case ignored || e.IsDir():
			return nil
		}
		body, err := readFile(root, name)
		if err != nil {
			return err
		}
		if left -= int64(len(body)); left < 0 || len(files) >= maxFiles {
			return fmt.Errorf("it has more than %d files or %d MiB", maxFiles, loader.MaxDecompressedChartSize>>20)
		}
		files = append(files, file{name, body})
		return nil
	})
	return files, err
}

func ignoreRules(root *os.Root) (*ignore.Rules, error) {
	rules := ignore.Empty()
	body, err := readFile(root, ignore.HelmIgnore)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if rules, err = ignore.Parse(bytes.NewReader(body)); err != nil {
			return nil, fmt.Errorf("read %s: %w", ignore.HelmIgnore, err)
		}
	}
	rules.AddDefaults()
	return rules, nil
}

// readFile follows links only within root. Anything but a regular file is never
// opened: a pipe would wait.
func readFile(root *os.Root, name string) (body []byte, err error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file, nor a link to one", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, loader.MaxDecompressedFileSize+1))
	if int64(len(body)) > loader.MaxDecompressedFileSize {
		return nil, fmt.Errorf("%q has more than the %d MiB that Helm reads", name, loader.MaxDecompressedFileSize>>20)
	}
	return body, err
}

// pack writes an archive: the same files give the same bytes, by an encoder that
// does not change with the Go release.
func pack(files []file) ([]byte, error) {
	name, err := nameIn(files)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.name, b.name))
	})
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name + "/" + f.name, Size: int64(len(f.body)), Mode: 0o644, ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %q: %w", f.name, err)
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, fmt.Errorf("pack %q: %w", f.name, err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return out.Bytes(), nil
}

// rank puts Chart.yaml first, as Helm does.
func rank(f file) int {
	if f.name == metadataFile {
		return 0
	}
	return 1
}

// nameIn finds the chart's name, which is the first directory of its archive. It expands no aliases;
// [Load] says what else is wrong with the file.
func nameIn(files []file) (string, error) {
	at := slices.IndexFunc(files, func(f file) bool { return f.name == metadataFile })
	if at < 0 {
		return "", fmt.Errorf("it has no %s", metadataFile)
	}
	if len(files[at].body) > maxConfig {
		return "", fmt.Errorf("its %s is more than %d MiB", metadataFile, maxConfig>>20)
	}
	var m map[string]yaml.Node
	if err := yaml.Unmarshal(files[at].body, &m); err != nil {
		return "", fmt.Errorf("read %s: %w", metadataFile, err)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if node := m[key]; strings.EqualFold(key, "name") && node.Value != "" {
			return node.Value, nil
		}
	}
	return "", fmt.Errorf("read %s: it has no name", metadataFile)
}
