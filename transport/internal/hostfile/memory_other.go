//go:build !linux

package hostfile

import (
	"errors"
	"os"
)

// memoryFile fails where a file cannot be kept in memory alone.
func memoryFile() (*os.File, error) {
	return nil, errors.New("it must be a regular file on this system")
}

func memoryPath(f *os.File) string { return f.Name() }
