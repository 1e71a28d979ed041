package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"syscall"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is an OCI image layout in a directory of this host (OCI image-spec, "OCI
// Image Layout Specification"). It is a [Source] of its blobs. Nothing outside of
// the directory is ever read, whatever links it has. It is safe for concurrent use.
type Layout struct {
	dir  string
	root *os.Root
}

// LayoutError says that a file of a layout is missing or wrong.
type LayoutError struct {
	Dir, File string // File is below Dir
	Why       string
}

func (e *LayoutError) Error() string { return fmt.Sprintf("%s in %s: %s", e.File, e.Dir, e.Why) }

// Hint says what to do now.
func (e *LayoutError) Hint() string {
	return "copy the catalog into its directory again (a bundle that was started needs the one with the digest that it had then)"
}

// Permanent reports that reading again finds the same.
func (e *LayoutError) Permanent() bool { return true }

// OpenLayout opens the layout in dir. One of another version, and a directory that
// has no layout, is a *[LayoutError].
func OpenLayout(dir string) (*Layout, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	l := &Layout{dir: dir, root: root}
	var version ispec.ImageLayout
	if err = l.json(ispec.ImageLayoutFile, &version); err == nil && version.Version != ispec.ImageLayoutVersion {
		err = l.fault(ispec.ImageLayoutFile, "the layout is of version %.20q, not %s", version.Version, ispec.ImageLayoutVersion)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return l, nil
}

// Close closes the directory.
func (l *Layout) Close() error { return l.root.Close() }

// attachedName is how clients name signatures and referrers of an image.
var attachedName = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// Image finds the image of that name (org.opencontainers.image.ref.name). Without a
// name it is the only one or, where all have names, the one that is named latest.
func (l *Layout) Image(name string) (Descriptor, error) {
	list, err := l.images()
	if err != nil {
		return Descriptor{}, err
	}
	list = slices.DeleteFunc(list, func(d Descriptor) bool {
		have := d.Annotations[ispec.AnnotationRefName]
		return name == "" && attachedName.MatchString(have) || name != "" && have != name
	})
	if named := latest(list); name == "" && len(named) > 0 {
		list = named
	}
	if len(list) == 0 {
		return Descriptor{}, l.fault(ispec.ImageIndexFile, "it lists no image%s", called(name))
	}
	for _, d := range list {
		if d.Digest != list[0].Digest {
			return Descriptor{}, l.fault(ispec.ImageIndexFile, "it lists %d images%s: %s", len(list), called(name), refNames(list))
		}
	}
	d := Descriptor{MediaType: list[0].MediaType, Digest: list[0].Digest, Size: list[0].Size}
	if err := CheckDescriptor(d); err != nil {
		return Descriptor{}, l.fault(ispec.ImageIndexFile, "%v", err)
	}
	kind, err := lookUp(context.Background(), l, d)
	if err == nil && !IsManifest(kind) {
		err = l.fault(ispec.ImageIndexFile, "it lists a %.100q, which is no image", d.MediaType)
	}
	d.MediaType = kind
	return d, err
}

// images lists what index.json names, read as any other index.
func (l *Layout) images() (list []Descriptor, err error) {
	var index struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := l.json(ispec.ImageIndexFile, &index); err != nil {
		return nil, err
	}
	for i, raw := range index.Manifests {
		d, err := new(oddities).descriptor(fmt.Sprintf("manifests[%d]", i), raw)
		if err != nil {
			return nil, l.fault(ispec.ImageIndexFile, "%v", err)
		}
		list = append(list, d)
	}
	return list, nil
}

func called(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" named %.100q", name)
}

// latest gives those that are named latest, if all have names.
func latest(list []Descriptor) (found []Descriptor) {
	for _, d := range list {
		switch d.Annotations[ispec.AnnotationRefName] {
		case "":
			return nil
		case "latest":
			found = append(found, d)
		}
	}
	return found
}

// refNames lists how images are named in a layout.
func refNames(list []Descriptor) string {
	const most = 10
	var names []string
	for _, d := range list[:min(len(list), most)] {
		if name := d.Annotations[ispec.AnnotationRefName]; name != "" {
			names = append(names, fmt.Sprintf("%.100q", name))
		} else {
			names = append(names, fmt.Sprintf("one without a name, %.80q", d.Digest))
		}
	}
	if n := len(list) - most; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return strings.Join(names, ", ")
}

// Has reports whether the content is there, as far as its size tells; if not, the
// error is a *[LayoutError] that says what is wrong with its file.
func (l *Layout) Has(_ context.Context, d Descriptor) (bool, error) {
	name, err := blobName(d)
	if err != nil {
		return false, err
	}
	info, err := l.root.Stat(name)
	if err = l.check(name, info, d.Size, err); err != nil {
		return false, err
	}
	return true, nil
}

// Open gives content from offset off on, unverified.
func (l *Layout) Open(_ context.Context, d Descriptor, off int64) (io.ReadCloser, error) {
	name, err := blobName(d)
	if err != nil {
		return nil, err
	}
	f, err := l.open(name, d.Size)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(min(off, d.Size), io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", l.dir, err), f.Close())
	}
	return f, nil
}

// blobName is the file that has the content.
func blobName(d Descriptor) (string, error) {
	if err := CheckDescriptor(d); err != nil {
		return "", err
	}
	return path.Join(ispec.ImageBlobsDir, d.Digest.Algorithm().String(), d.Digest.Encoded()), nil
}

// open opens a regular file; size is what it must have, -1 is any.
func (l *Layout) open(name string, size int64) (*os.File, error) {
	info, err := l.root.Stat(name) // to open a pipe would wait
	if err := l.check(name, info, size, err); err != nil {
		return nil, err
	}
	f, err := l.root.Open(name)
	if err == nil {
		info, err = f.Stat()
	}
	if err := l.check(name, info, size, err); err != nil {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
		return nil, err
	}
	return f, nil
}

// check says what is wrong with a file that was looked at.
func (l *Layout) check(name string, info fs.FileInfo, size int64, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l.fault(name, "it is missing")
	case err != nil && !errors.As(err, &errno): // the system had no part in it
		return l.fault(name, "a link leads out of the directory")
	case err != nil:
		return fmt.Errorf("read %s: %w", l.dir, err)
	case !info.Mode().IsRegular():
		return l.fault(name, "it is not a regular file")
	case size >= 0 && info.Size() != size:
		return l.fault(name, "it has %d bytes, not %d", info.Size(), size)
	}
	return nil
}

// json reads a small file.
func (l *Layout) json(name string, into any) (err error) {
	f, err := l.open(name, -1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err := io.ReadAll(io.LimitReader(f, MaxManifestSize+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", l.dir, err)
	}
	if len(body) > MaxManifestSize {
		return l.fault(name, "it has more than %d bytes", MaxManifestSize)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return l.fault(name, "it is not valid JSON: %v", err)
	}
	return nil
}

func (l *Layout) fault(name, format string, args ...any) error {
	return &LayoutError{Dir: l.dir, File: name, Why: fmt.Sprintf(format, args...)}
}
