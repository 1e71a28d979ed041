package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"runtime"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

const hashBuf = 1 << 20

// hashers is how many files are hashed at a time: one a core.
func hashers() int { return runtime.GOMAXPROCS(0) }

// hashFile gives a file's size and SHA-256. cold asks for the bytes of the
// drive, not of the page cache. progress, if not nil, is told of bytes read.
func hashFile(ctx context.Context, dir *media.Dir, name string, cold bool, progress func(int64)) (f seal.File, err error) {
	file, err := dir.Open(name)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if cold {
		file.DropCache()
	}
	h := sha256.New()
	buf := make([]byte, hashBuf)
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		n, err := file.Read(buf)
		h.Write(buf[:n])
		f.Size += int64(n)
		if progress != nil && n > 0 {
			progress(int64(n))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return f, &media.Error{Op: "read", Path: filepath.Join(dir.Path(), filepath.FromSlash(name)), Err: err}
		}
	}
	f.Name, f.SHA256 = name, hex.EncodeToString(h.Sum(nil))
	return f, nil
}
