package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writing is a system call that makes a file, or opens one for writing, as strace writes it.
var writing = regexp.MustCompile(`O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|\b(creat|memfd_create|mkdir|mkdirat|mknod|mknodat|link|linkat|symlink|symlinkat|rename|renameat|renameat2|truncate)\(`)

// traced gives the command that starts another and notes what it stores, and how to read the notes
// when that has ended. The command is nil where it does not work.
func traced(t *testing.T) (starter []string, stored func() []string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil || exec.Command(strace, "-qq", "-o", "/dev/null", "true").Run() != nil {
		return nil, nil
	}
	log := filepath.Join(t.TempDir(), "calls")
	// -D: the process that is started is the command itself.
	starter = []string{strace, "-D", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", "signal=none", "-e", "trace=%file,memfd_create"}
	return starter, func() (list []string) {
		for line := range strings.Lines(string(readFile(t, log))) {
			if writing.MatchString(line) {
				list = append(list, strings.TrimSpace(line))
			}
		}
		return list
	}
}
