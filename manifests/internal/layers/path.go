package layers

import (
	"fmt"
	"path"
	"strings"
)

// Special names of a layer (OCI image-spec, layer.md, "Whiteouts"). Names that
// begin with aufsPrefix and are not opaque are bookkeeping of the file system
// that the form comes from; no tool makes files of them.
const (
	whiteoutPrefix = ".wh."
	aufsPrefix     = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
)

// maxName is the longest path that Linux takes, in bytes (PATH_MAX).
const maxName = 4096

// clean writes a path as others write the same one: relative to the root of the
// image, which is "".
func clean(name string) (string, error) {
	if len(name) > maxName {
		return "", fmt.Errorf("the name %.64q... has %d bytes; no file system takes more than %d", name, len(name), maxName)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("the name %q has a zero byte in it", name)
	}
	if out := path.Clean(strings.TrimLeft(name, "/")); out == ".." || strings.HasPrefix(out, "../") || out == "." && strings.Contains(name, "..") {
		return "", fmt.Errorf("the name %q leads out of its directory", name)
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// parent is the path that p lies in.
func parent(p string) string { return p[:max(0, strings.LastIndexByte(p, '/'))] }

// below reports whether p lies below dir, which is not itself.
func below(p, dir string) bool {
	return p != dir && (dir == "" || strings.HasPrefix(p, dir) && p[len(dir)] == '/')
}

// special takes a name of a layer apart.
type special int

const (
	ordinary special = iota
	whiteout         // path is what it hides
	opaque           // path is the directory
	ignored
)

func classify(name string) (special, string, error) {
	base := path.Base(name)
	dir := parent(name)
	for part := range strings.SplitSeq(dir, "/") {
		if strings.HasPrefix(part, aufsPrefix) {
			return ignored, "", nil
		}
		if strings.HasPrefix(part, whiteoutPrefix) {
			return ignored, "", fmt.Errorf("%q lies below a whiteout", name)
		}
	}
	switch {
	case base == opaqueName:
		return opaque, dir, nil
	case strings.HasPrefix(base, aufsPrefix):
		return ignored, "", nil
	case strings.HasPrefix(base, whiteoutPrefix):
		switch hidden := strings.TrimPrefix(base, whiteoutPrefix); hidden {
		case "", ".", "..":
			return ignored, "", fmt.Errorf("%q is a whiteout of no file", name)
		default:
			return whiteout, path.Join(dir, hidden), nil
		}
	}
	return ordinary, name, nil
}
