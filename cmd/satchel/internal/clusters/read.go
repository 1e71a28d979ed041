package clusters

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
)

// FileError says that what was named cannot be used.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return "read the cluster of " + e.Path + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// sameNameError says that two clusters would be called the same.
type sameNameError struct{ name string }

func (e *sameNameError) Error() string {
	return fmt.Sprintf("another cluster is called %s too, and a cluster is called as its file or directory", e.name)
}

// Permanent reports that the same file is wrong every time.
func (e *FileError) Permanent() bool { return true }

// Hint says what to do now.
func (e *FileError) Hint() string {
	var wrong *manifests.ClusterFileError
	var same *sameNameError
	switch {
	case errors.As(e.Err, &same):
		return "rename the file or directory of one of them"
	case errors.As(e.Err, &wrong):
		return wrong.Hint()
	case errors.Is(e.Err, fs.ErrNotExist):
		return "name an existing file or directory"
	case errors.Is(e.Err, fs.ErrPermission):
		return "let this user read it, or read it as the user who may: must-gathers are often written by root"
	}
	return ""
}

// Read reads a cluster of each path: a file or a directory. What is of one cluster, by its ID, is
// joined, under the name of the first; two clusters of one name are refused. The error joins a *[FileError] for each that cannot be used.
func Read(paths []string) (list []*manifests.Cluster, err error) {
	var errs []error
	for _, path := range paths {
		one, err := read(path)
		if err != nil {
			errs = append(errs, &FileError{path, bare(err, path)})
			continue
		}
		if i := slices.IndexFunc(list, func(c *manifests.Cluster) bool { return one.ID() != "" && c.ID() == one.ID() }); i >= 0 {
			list[i].Join(one)
			continue
		}
		if slices.ContainsFunc(list, func(c *manifests.Cluster) bool { return c.Name == one.Name }) {
			errs = append(errs, &FileError{path, &sameNameError{one.Name}})
			continue
		}
		list = append(list, one)
	}
	return list, errors.Join(errs...)
}

func read(path string) (c *manifests.Cluster, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	name, err := nameOf(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if base := filepath.Base(path); base == "namespaces" || base == "cluster-scoped-resources" { // of a must-gather
			path = filepath.Dir(path)
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		c, err = manifests.ReadClusterDir(name, root.FS())
		return c, errors.Join(err, root.Close())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	c, err = manifests.ReadCluster(name, f)
	return c, errors.Join(err, f.Close())
}

// bare leaves out of an error the name of the file, which is said anyway.
func bare(err error, name string) error {
	var path *os.PathError
	if errors.As(err, &path) && path.Path == name {
		return path.Err
	}
	return err
}

// nameOf makes the name of a cluster from that of its file: small letters, digits, hyphens and
// dots, so that a directory can have it.
func nameOf(path string) (string, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	base := filepath.Base(whole)
	for _, end := range []string{".yaml", ".yml", ".json"} {
		base = strings.TrimSuffix(base, end)
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, base)
	if plain = strings.Trim(plain, "-."); plain == "" {
		plain = "cluster"
	}
	return plain[:min(len(plain), 63)], nil
}

// ReadPods reads the pods of one cluster from files, as oc prints them, and from directories: a must-gather,
// or an Insights archive. The error joins a *[FileError] for each that cannot be used.
func ReadPods(paths []string) (c *manifests.Cluster, err error) {
	var errs []error
	for _, path := range paths {
		one, err := readPods(path)
		switch {
		case err != nil:
			errs = append(errs, &FileError{path, bare(err, path)})
		case c == nil:
			c = one
		default:
			c.Join(one)
		}
	}
	return c, errors.Join(errs...)
}

func readPods(path string) (c *manifests.Cluster, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return read(path)
	}
	name, err := nameOf(path)
	if err != nil {
		return nil, err
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	c, err = manifests.ReadPodDir(name, root.FS(), filepath.Base(whole))
	return c, errors.Join(err, root.Close())
}
