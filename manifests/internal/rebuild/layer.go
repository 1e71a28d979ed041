package rebuild

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// opaqueName hides, in a directory of a layer, what the layers below have there
// (OCI image-spec, layer.md, "Opaque Whiteout").
const opaqueName = ".wh..wh..opq"

// Store takes what is built, until it is packed.
type Store interface {
	Put(mediaType string, body []byte) (oci.Descriptor, error)
	PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error)
}

// Layer is a gzipped tar that was built.
type Layer struct {
	Blob   oci.Descriptor // the image that takes it says of which media type it is
	DiffID digest.Digest  // of the tar
}

// NewLayer makes a layer of what fill adds, each time that the store asks for it. It is compressed with the module's own
// gzip, whose output does not change with the Go release.
func NewLayer(k Store, fill func(*Tar) error) (Layer, error) {
	h := sha256.New()
	blob, err := k.PutFrom("application/gzip", func(w io.Writer) error {
		h.Reset() // a store may ask again
		z := gzip.NewWriter(w)
		t := &Tar{w: tar.NewWriter(io.MultiWriter(z, h))}
		return errors.Join(fill(t), t.w.Close(), z.Close())
	})
	if err != nil {
		return Layer{}, err
	}
	return Layer{Blob: blob, DiffID: digest.NewDigest(digest.SHA256, h)}, nil
}

// Tar takes the entries of a layer, in their order: root's, without times. Names are
// paths from the root of the image, without a leading slash.
type Tar struct{ w *tar.Writer }

// Dir adds a directory.
func (t *Tar) Dir(name string, mode fs.FileMode) error { return t.Around(name, mode, 0, 0) }

// Around adds a directory that others are in, and which may be there already. Without
// an entry of its own it would get one from whoever unpacks the layer, and overlay file
// systems show the mode of that.
func (t *Tar) Around(name string, mode fs.FileMode, uid, gid int) error {
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: tarMode(mode), Uid: uid, Gid: gid})
}

// tarMode is a mode as tar has it: a directory that all may write to is sticky.
func tarMode(mode fs.FileMode) int64 {
	m := int64(mode.Perm())
	for bit, is := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			m |= is
		}
	}
	return m
}

// File adds a file that has the size bytes of r.
func (t *Tar) File(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if err := t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: size}); err != nil {
		return err
	}
	n, err := io.Copy(t.w, r)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, not %d", name, n, size)
	}
	return err
}

// Opaque hides what lower layers have in dir.
func (t *Tar) Opaque(dir string) error {
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(dir, opaqueName), Mode: 0o644})
}
