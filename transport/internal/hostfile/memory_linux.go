package hostfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile makes a file that is in memory alone: credentials are not written to a disk.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("credentials", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("copy it into memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "credentials"), nil
}

// memoryPath is where the file can be opened again, from its first byte.
func memoryPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
