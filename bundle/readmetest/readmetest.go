// Package readmetest runs the lines of a bundle's README.txt in tests: as a script, and
// pasted into an interactive shell.
package readmetest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// Groups gives the indented lines of a README.txt, as many together as are pasted together.
func Groups(text string) (groups []string) {
	was := false
	for line := range strings.Lines(text) {
		is := strings.HasPrefix(line, "  ")
		switch {
		case is && was:
			groups[len(groups)-1] += line
		case is:
			groups = append(groups, line)
		}
		was = is
	}
	return groups
}

// Find gives the index of the one group that has the text.
func Find(t testing.TB, groups []string, text string) int {
	t.Helper()
	i := slices.IndexFunc(groups, func(g string) bool { return strings.Contains(g, text) })
	if i < 0 || slices.ContainsFunc(groups[i+1:], func(g string) bool { return strings.Contains(g, text) }) {
		t.Fatalf("README.txt has not one group of lines with %q:\n%s", text, strings.Join(groups, "\n"))
	}
	return i
}

var capitals = regexp.MustCompile(`\b(DIR|OUT|KEY|HOST|NAME|PATH|TAG|DIGEST|USER|PASSWORD|FILE|CERTS|NAMESPACE|SIGNERS|WHO|https)\b`)

// Fill replaces the words in capitals that a reader has to replace, and https; what words
// does not have stays.
func Fill(lines string, words map[string]string) string {
	return capitals.ReplaceAllStringFunc(lines, func(w string) string {
		if by, ok := words[w]; ok {
			return by
		}
		return w
	})
}

// Run gives the lines to bash as a script.
func Run(t testing.TB, dir, lines string, env ...string) (string, error) {
	t.Helper()
	cmd := proctest.Command(t, "bash", "-c", lines)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Paste pastes groups of lines into an interactive bash, one after another, and gives what
// the terminal shows, and for each group its exit status and whether the shell is still
// there.
func Paste(t testing.TB, dir string, groups []string, env ...string) (shown string, status []int) {
	t.Helper()
	master, tty := terminal(t)
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "-i")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HISTFILE=/dev/null", "TERM=dumb")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close() // the shell has it
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	if err := master.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i, g := range groups {
		mark := fmt.Sprintf("group%d", i)
		if _, err := io.WriteString(master, g+"\necho "+mark+"=$?=\n"); err != nil {
			t.Fatalf("the shell is closed: %v\n%s", err, all.String())
		}
		status = append(status, until(t, master, &all, mark))
	}
	return all.String(), status
}

// until reads until the shell has printed the mark with a number.
func until(t testing.TB, master io.Reader, all *strings.Builder, mark string) int {
	t.Helper()
	printed := regexp.MustCompile(mark + `=(\d+)=`)
	buf := make([]byte, 4096)
	for {
		if m := printed.FindStringSubmatch(all.String()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		n, err := master.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			t.Fatalf("the shell is closed, or stands still: %v\n%s", err, all.String())
		}
	}
}

// terminal opens both sides of a terminal.
func terminal(t testing.TB) (master, tty *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx") // not blocking, so that it takes deadlines
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	return master, tty
}
