package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// usage is what a transfer took.
type usage struct {
	wall    time.Duration
	cpu     time.Duration // user and system; 0: not measured
	peak    int64         // resident bytes; 0: not measured
	calls   int64         // bytes given to write calls, to files and sockets alike
	storage int64         // bytes sent towards storage
}

// readIO reads /proc/PID/io into u. It still works when the process has ended
// and nobody has waited for it.
func (u *usage) readIO(pid int) error {
	name := fmt.Sprintf("/proc/%d/io", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read what was written: %w", err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		for field, to := range map[string]*int64{"wchar: %d": &u.calls, "write_bytes: %d": &u.storage} {
			if n, _ := fmt.Sscanf(line, field, to); n == 1 {
				found++
			}
		}
	}
	if found != 2 {
		return fmt.Errorf("read what was written: %s has no wchar and write_bytes", name)
	}
	return nil
}
