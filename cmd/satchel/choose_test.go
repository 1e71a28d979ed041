package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChooseOnTerminal asks which of two bundles is meant, until it is told. Without a
// terminal it takes none.
func TestChooseOnTerminal(t *testing.T) {
	b := newBench(t)
	passphrase := filepath.Join(b.dir, "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if code, said := b.run("pack", "-c", b.config, "--passphrase-file", passphrase, "--tls-verify=false", filepath.Join(b.dir, name)); code != exitOK {
			t.Fatal(said)
		}
	}
	below := filepath.Join(b.dir, "one", "saved") // a bundle that is named is meant, whatever is below it
	if err := os.CopyFS(below, os.DirFS(filepath.Join(b.dir, "two"))); err != nil {
		t.Fatal(err)
	}
	if code, said := b.run("inspect", "--passphrase-file", passphrase, filepath.Join(b.dir, "one")); code != exitOK {
		t.Errorf("exit %d: %s", code, said)
	}
	if err := os.RemoveAll(below); err != nil {
		t.Fatal(err)
	}
	code, said := b.typed([]string{"3\n", "two\n", "2\n"}, "inspect", "--passphrase-file", passphrase, b.dir)
	if code != exitOK || !strings.Contains(said, " in "+b.dir+"/two") || strings.Count(said, "Which one? (1-2)") < 3 {
		t.Errorf("exit %d: %s", code, said)
	}
	for _, answers := range [][]string{{"\x03"}, {"\x04"}, {"q\n"}, {"\n", "\n", "\n"}} {
		code, said := b.typed(answers, "inspect", "--passphrase-file", passphrase, b.dir)
		if code != exitInterrupted || !strings.Contains(said, "interrupted at a question, before anything was begun") || strings.Contains(said, "saved") {
			t.Errorf("%q: exit %d: %s", answers, code, said)
		}
		if n := strings.Count(said, "type a number from 1 to 2, or q to stop"); n != len(answers)-1 {
			t.Errorf("%q: the answers are named %d times: %s", answers, n, said)
		}
	}
	if code, said := b.run("inspect", "--passphrase-file", passphrase, b.dir); code != exitUsage || !strings.Contains(said, b.dir+" holds 2 bundles: one (") || !strings.Contains(said, ", two (") {
		t.Errorf("exit %d: %s", code, said)
	}
}
