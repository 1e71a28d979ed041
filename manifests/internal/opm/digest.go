package opm

import (
	"archive/tar"
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
)

// digest is what opm compares to know whether a cache fits a catalog: a hash of a tar
// of each directory, without times and owners.
func digest(trees ...*Files) (string, error) {
	h := fnv.New64a()
	for _, t := range trees {
		w := tarWriter{tar.NewWriter(h)}
		if err := t.Each(w); err != nil {
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// tarWriter writes entries as opm does, whose directories have no slash at the end.
type tarWriter struct{ *tar.Writer }

func (w tarWriter) Dir(name string, mode fs.FileMode) error {
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: cmp.Or(name, "."), Mode: int64(mode)})
}

func (w tarWriter) File(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode), Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(w.Writer, r)
	return err
}
