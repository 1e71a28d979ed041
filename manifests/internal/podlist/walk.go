package podlist

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Walk reads the pods of a directory; base is its name, because what is given may
// itself be the directory called pods. Links are not followed. It gives the number
// of pods; that pods.yaml and the files of single pods are both there counts once.
func Walk(fsys fs.FS, base string, found func(Use) error) (int, error) {
	total := 0
	err := Files(fsys, base, func(name, _ string) (int, error) {
		n, err := readFile(fsys, name, found)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		total += n
		return n, err
	})
	return total, err
}

// Files gives each file of a directory that has pods, with their namespace, as [Walk] finds them. read
// says how many it had.
func Files(fsys fs.FS, base string, read func(name, namespace string) (int, error)) error {
	whole := map[string]bool{} // namespaces whose pods.yaml was read
	return fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		parts := strings.Split(path.Join(base, name), "/")
		if e.IsDir() {
			return descend(parts, whole)
		}
		namespace, all := podFile(parts)
		if namespace == "" || !e.Type().IsRegular() {
			return nil
		}
		n, err := read(name, path.Base(namespace))
		if all && n > 0 {
			whole[namespace] = true
		}
		return err
	})
}

// podFile gives the place of the namespace whose pods a file holds, all of them or
// one; empty for any other file.
func podFile(parts []string) (namespace string, all bool) {
	n := len(parts)
	switch ext := path.Ext(parts[n-1]); {
	case n >= 4 && parts[n-4] == "namespaces" && parts[n-2] == "core" && slices.Contains([]string{"pods.yaml", "pods.json"}, parts[n-1]):
		return path.Join(parts[:n-2]...), true
	case ext != ".yaml" && ext != ".json":
	case n >= 5 && parts[n-5] == "namespaces" && parts[n-3] == "pods":
		return path.Join(parts[:n-3]...), false
	case n >= 3 && (parts[n-3] == "pods" || parts[n-3] == "pod") && !slices.Contains(parts, "namespaces"):
		return path.Join(parts[:n-1]...), false
	}
	return "", false
}

// descend skips directories that have no pods but many files, such as logs.
func descend(parts []string, whole map[string]bool) error {
	i := slices.Index(parts, "namespaces")
	switch {
	case i < 0 || len(parts) < i+3: // above, or a namespace itself
		return nil
	case len(parts) == i+3 && parts[i+2] == "core", len(parts) <= i+4 && parts[i+2] == "pods" && !whole[path.Join(parts[:i+2]...)]:
		return nil
	}
	return fs.SkipDir
}

func readFile(fsys fs.FS, name string, found func(Use) error) (n int, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return Read(f, found)
}
