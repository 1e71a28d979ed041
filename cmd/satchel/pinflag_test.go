package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
)

// TestPinFlags: what does not go together is refused before anything is asked for, and a file
// that is there is replaced only if that was asked for.
func TestPinFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, there, fresh := filepath.Join(dir, "set.yaml"), filepath.Join(dir, "there.yaml"), filepath.Join(dir, "fresh.yaml")
	for _, name := range []string{config, there} {
		if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		pin     pinFlags
		since   []string
		catalog string
		want    string
	}{
		"nothing":           {},
		"new":               {pin: pinFlags{file: fresh}},
		"there":             {pin: pinFlags{file: there}, want: "exists"},
		"replaced":          {pin: pinFlags{file: there, yes: true}},
		"a directory":       {pin: pinFlags{file: dir, yes: true}, want: "is a directory"},
		"the configuration": {pin: pinFlags{file: filepath.Join(dir, ".", "set.yaml"), yes: true}, want: "is the configuration itself"},
		"yes alone":         {pin: pinFlags{yes: true}, want: "there is no --pin"},
		"since":             {pin: pinFlags{file: fresh}, since: []string{"last"}, want: "--since"},
		"merge":             {pin: pinFlags{file: fresh}, catalog: "merge", want: "--catalog merge"},
	} {
		err := c.pin.check(config, c.since, c.catalog)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || exitCode(err) != exitUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := &app{stderr: io.Discard}
	r := &plan.Report{Pinned: []byte("kind: x\n"), NotPinned: []string{"one\nline"}}
	if err := (pinFlags{file: there}).write(a, config, r); exitCode(err) != exitUsage {
		t.Errorf("a file that appeared meanwhile: %v", err)
	}
	for _, p := range []pinFlags{{file: fresh}, {file: there, yes: true}} {
		if err := p.write(a, config, r); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(p.file)
		lines := strings.Split(string(body), "\n")
		if err != nil || len(lines) != 4 || !strings.HasPrefix(lines[0], "# Pinned by satchel plan --pin on "+time.Now().UTC().Format("2006-")) || !strings.Contains(lines[0], config) || lines[1] != "# Not pinned: one line" || lines[2] != "kind: x" {
			t.Errorf("%v\n%s", err, body)
		}
	}
}
