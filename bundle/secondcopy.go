package bundle

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// copyDiffers reports whether the second copy of a file is there, and has other bytes than
// the file: one with the same bytes is as wrong as the file.
func copyDiffers(dir, name string) bool {
	d, err := media.OpenDir(dir)
	if err != nil {
		return false
	}
	defer func() { _ = d.Close() }() // it was read only
	second, err := d.Open(seal.CopyDir + "/" + name)
	if err != nil {
		return false
	}
	defer func() { _ = second.Close() }()
	first, err := d.Open(name)
	if err != nil {
		return true // missing, or not to be read
	}
	defer func() { _ = first.Close() }()
	return first.Size != second.Size || !sameBytes(first, second)
}

// sameBytes compares two files of one length. What cannot be read of the first differs.
func sameBytes(first, second io.Reader) bool {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(first, a)
		m, errB := io.ReadFull(second, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) || broken(errA) != broken(errB) {
			return false
		}
		if errA != nil {
			return true
		}
	}
}

func broken(err error) bool {
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, fs.ErrClosed)
}
