package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// lockedBuffer may be written and read by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newApp is what a command gets whose stderr is out, which is no terminal.
func newApp(t *testing.T, out io.Writer, flags logFlags, noProgress bool) *app {
	t.Helper()
	flags.level, flags.format = "info", "text"
	a := &app{stderr: out, flags: flags, noProgress: noProgress}
	log, err := a.newLogger()
	if err != nil {
		t.Fatal(err)
	}
	a.log.Store(log)
	return a
}

func TestPlainProgress(t *testing.T) {
	var out lockedBuffer
	p := newApp(t, &out, logFlags{}, false).newProgress("packing", 100<<20, 400<<20)
	if p.bar != nil {
		t.Fatal("a bar without a terminal")
	}
	p.start = time.Now().Add(-10 * time.Second)
	p.Add(100 << 20)
	want := regexp.MustCompile(`^packing 200\.0 MiB of 400\.0 MiB \(50%\), (10\.0|9\.\d) MiB/s, 20s left$`)
	if got := p.line(); !want.MatchString(got) {
		t.Errorf("line %q", got)
	}
	// What had to be read twice does not lead beyond the total.
	p.Add(300 << 20)
	if got := p.line(); !strings.HasPrefix(got, "packing 400.0 MiB of 400.0 MiB (100%), ") || strings.Contains(got, "left") {
		t.Errorf("line at the end %q", got)
	}
	p.every(time.Millisecond, func() { p.a.info("%s", p.line()) })
	for deadline := time.Now().Add(10 * time.Second); strings.Count(out.String(), "\n") < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %q was printed", out.String())
		}
	}
	p.End()
	printed := out.String()
	time.Sleep(20 * time.Millisecond)
	if out.String() != printed {
		t.Error("it prints after its end")
	}
	if strings.ContainsAny(printed, "\r\x1b") {
		t.Errorf("plain lines move the cursor: %q", printed)
	}
}

// TestProgressIsSilent covers what must not print, and nothing to do at all.
func TestProgressIsSilent(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	for _, p := range []*progress{
		newApp(t, &out, logFlags{quiet: true}, false).newProgress("packing", 0, 10),
		newApp(t, &out, logFlags{}, true).newProgress("packing", 0, 10),
		newApp(t, &out, logFlags{}, false).newProgress("packing", 0, 0),
	} {
		p.Add(1)
		p.End()
	}
	if out.String() != "" {
		t.Errorf("printed %q", out.String())
	}
}

// TestTerminal runs pack and verify on a terminal.
func TestTerminal(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("script is not installed (package util-linux or bsdutils)")
	}
	c := ocitest.New(91)
	s := newShelf(c)
	proxy, k := s.slow(t, 24<<20)
	s.tag("team/app:v1", c.Image(false, c.Layer(20<<20, ocitest.LayerGzip)))
	for _, tt := range []struct {
		name, term string
		flags      []string
		bar        bool
	}{
		{"terminal", "xterm", nil, true},
		{"no color", "xterm", nil, true},
		{"no size", "xterm", nil, true},
		{"dumb", "dumb", nil, false},
		{"no-progress", "xterm", []string{"--no-progress"}, false},
		{"quiet", "xterm", []string{"-q"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.images(proxy.Host + "/team/app:v1")
			k.at(0, 0, nil)
			cmd := w.command(w.pack(append(tt.flags, "--yes")...)...)
			line := strings.Join(cmd.Args, " ")
			if tt.name == "no size" {
				line = "stty rows 0 cols 0; " + line
			}
			tty := proctest.Command(t, "script", "-qec", line, "/dev/null")
			tty.Dir, tty.Env = cmd.Dir, append(cmd.Env, "TERM="+tt.term, "COLUMNS=100", "SHELL=/bin/sh")
			if tt.name == "no color" {
				tty.Env = append(tty.Env, "NO_COLOR=1")
			}
			out, err := tty.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			text := strings.ReplaceAll(string(out), "\r\n", "\n")
			bar := regexp.MustCompile(`packing [0-9.]+ \S+ of 20\.0 MiB, [^%\r]* \d+% \|█*`).MatchString(text) && strings.Contains(text, "\r")
			if bar != tt.bar {
				t.Errorf("a bar: %v, want %v\n%q", bar, tt.bar, text)
			}
			if !tt.bar && strings.ContainsAny(text, "\r\x1b%") {
				t.Errorf("something of a bar is printed: %q", text)
			}
			if regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(text) {
				t.Errorf("colours are printed: %q", text)
			}
			if tt.name == "quiet" && !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(text) {
				t.Errorf("quiet, it prints %q", text)
			}
			w.run("verify", w.drive).want(exitOK)
		})
	}
}

// TestQuietWithoutRuntimeDir has an environment as cron and su leave it: -q
// prints errors alone, and nothing below satchel writes lines of its own.
func TestQuietWithoutRuntimeDir(t *testing.T) {
	t.Parallel()
	c := ocitest.New(92)
	s := newShelf(c)
	host := s.listen(t)
	root := c.Image(false, c.Layer(10<<10, ocitest.LayerGzip))
	s.tag("team/app:v1", root)
	w := newWorld(t)
	if err := os.Remove(filepath.Join(w.dir, "run")); err != nil {
		t.Fatal(err)
	}
	w.images(host + "/team/app:v1")
	if r := w.run(w.pack("-q")...).want(exitOK); r.stderr != "" {
		t.Errorf("pack -q prints %q", r.stderr)
	}
	mirror := newMirror(t)
	if r := w.run(w.unpack(mirror, "-q")...).want(exitOK); r.stderr != "" {
		t.Errorf("unpack -q prints %q", r.stderr)
	}
	compareAll(t, c, map[string]oci.Descriptor{"team/app:v1": root}, mirror)
}
