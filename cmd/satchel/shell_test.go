package main

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/text"
)

// TestControlCharacters has no line for people obeyed by a terminal, whatever is in it.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	const hostile = "/drive/\x1b[2J\u009b31m\xffend"
	var out bytes.Buffer
	log := slog.New(newTextHandler(&out, slog.LevelDebug))
	log.Info("writing into " + hostile)
	log.With("dir", hostile).Warn("a", "b", hostile)
	log.Debug(hostile)
	a := &app{stderr: &out, flags: logFlags{level: "info", format: formatText}}
	a.report(usage(errors.New("look into "+hostile), "name "+hostile))
	if n := strings.Count(out.String(), "end"); n != 6 {
		t.Errorf("%d of 6 names in %q", n, out.String())
	}
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSuffix(line, "\n"); line != text.Printable(line) || strings.Contains(line, "\xff") {
			t.Errorf("%q", line)
		}
	}
}

// TestControlCharactersInDIR gives each command a directory with such a name.
func TestControlCharactersInDIR(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a\x1b[31m\n\u009bz")
	for _, args := range [][]string{{"list"}, {"verify"}, {"inspect"}, {"render", "--to", "m.example", "--output-dir", dir}, {"plan", "-c"}, {"pack", "-c", dir, "-R", dir}, {"unpack", "--to", dir}, {"no" + dir}} {
		var out bytes.Buffer
		if code := run(append(args, dir), nil, &out, &out); code == exitOK {
			t.Errorf("%q: exit status 0", args)
		}
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); line != text.Printable(line) {
				t.Errorf("%q: %q", args, line)
			}
		}
	}
}
