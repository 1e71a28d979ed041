package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// writes keeps what each call wrote.
type writes struct {
	mu   sync.Mutex
	list []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, string(p))
	return len(p), nil
}

// TestBarWidths has terminals of many widths: one write a tick, the percentage once, and
// never as wide as the terminal.
func TestBarWidths(t *testing.T) {
	t.Parallel()
	var out writes
	columns := 0
	b := &bar{out: &out, width: func() int { return columns }}
	p := &progress{what: "packing", total: 400 << 20, bar: b, start: time.Now().Add(-10 * time.Second)}
	for _, done := range []int64{0, 1, 100 << 20, 400 << 20, 500 << 20} {
		p.done.Store(done)
		for columns = range 140 {
			out.list = nil
			p.draw()
			if len(out.list) != 1 {
				t.Fatalf("%d writes for one tick: %q", len(out.list), out.list)
			}
			line, ok := strings.CutSuffix(out.list[0], "\x1b[J\r")
			line = strings.TrimPrefix(line, "\r")
			if n := utf8.RuneCountInString(line); !ok || n > max(columns-1, 0) || strings.ContainsAny(line, "\r\n\x1b") {
				t.Errorf("%d columns: %q", columns, out.list[0])
			}
			if n := strings.Count(line, "%"); n > 1 || n == 0 && columns > 60 {
				t.Errorf("%d columns: the percentage stands %d times: %q", columns, n, line)
			}
			if hasBar := strings.Contains(line, "|"); columns >= 80 && !hasBar {
				t.Errorf("%d columns: no bar: %q", columns, line)
			}
		}
	}
}

// TestBarOnResize draws on a terminal that gets narrower, and writes lines above.
func TestBarOnResize(t *testing.T) {
	t.Parallel()
	master, tty := pseudoTerminal(t)
	resize := func(columns uint16) {
		if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
			t.Fatal(err)
		}
	}
	resize(100)
	a := newApp(t, tty, logFlags{}, false)
	b := newBar(tty)
	a.bar.Store(b)
	p := &progress{a: a, what: "packing", total: 400 << 20, bar: b, start: time.Now().Add(-10 * time.Second)}
	p.Add(100 << 20)
	p.draw()
	a.info("a line")
	resize(40)
	p.draw()
	b.clear()
	_ = tty.Close()
	var all strings.Builder
	_, _ = io.Copy(&all, master) // ends with EIO when the other side is closed
	const wide, narrow = `packing 100\.0 MiB of 400\.0 MiB, \S+ MiB/s, \d+s left  25% \|█+ +\|`, `packing 100\.0 MiB of 400\.0 MiB \(25%\), \d`
	want := regexp.MustCompile(`^\r` + wide + `\x1b\[J\r\r\x1b\[Ja line\r\n\r` + wide + `\r\r` + narrow + `\x1b\[J\r\r\x1b\[J$`)
	if !want.MatchString(all.String()) {
		t.Errorf("got %q, want %s", all.String(), want)
	}
}

// pseudoTerminal opens both sides of a terminal.
func pseudoTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	return master, tty
}
