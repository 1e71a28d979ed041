package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// TestOddPaths names what is no directory with a bundle: every command that reads one says
// so at once, and changes nothing.
func TestOddPaths(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.Symlink(at("nowhere"), at("dangling")), os.Symlink(at("circle"), at("circle")), os.WriteFile(at("file"), []byte("x"), 0o600),
		syscall.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("empty"), 0o700), os.Mkdir(at("closed"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join("..", "..", "testdata", "vectors", "e944b6d", "x25519", "key.txt")
	sealed := filepath.Join("..", "..", "testdata", "vectors", "e944b6d", "x25519", "bundle")
	said := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(args, nil, &out, &errs)
		if !utf8.Valid(errs.Bytes()) || out.Len() > 0 {
			t.Errorf("%q: stdout %q, stderr %q", args, out.String(), errs.String())
		}
		return code, errs.String()
	}
	for _, c := range []struct {
		path, want string
		code       int
	}{
		{at("dangling"), "is a symbolic link to " + at("nowhere") + ", which does not exist", exitDrive},
		{at("circle"), "the links in the path lead in a circle", exitDrive},
		{at("file"), "it is not a directory", exitUsage},
		{at("pipe"), "it is not a directory", exitUsage},
		{at("file/below"), "a part of the path is a file", exitDrive},
		{"", "the name of the directory is empty", exitUsage},
		{at("new\nline"), "does not exist", exitDrive},
		{at("\xff\xfe"), "does not exist", exitDrive},
		{at("empty"), "holds no bundle", exitDrive},
		{at("closed"), "", exitDrive}, // root may look into it, and finds nothing
	} {
		for _, args := range [][]string{
			{"inspect", "-i", key}, {"verify"}, {"list"}, {"rekey", "-i", key, "-r", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}, {"unpack", "-i", key, "--to", "127.0.0.1:1"},
			{"render", "-i", key, "--to", "127.0.0.1:1", "--offline", "--output-dir", at("out")},
		} {
			if code, text := said(append(args, c.path)...); code != c.code || !strings.Contains(text, c.want) {
				t.Errorf("%s %q: exit %d: %s", args[0], c.path, code, text)
			}
		}
	}
	for path, want := range map[string]string{
		at("dangling"): "is a symbolic link to " + at("nowhere") + ", which does not exist", at("circle"): "too many levels", at("file"): "not a directory", at("pipe"): "not a directory",
		at("file/below"): "not a directory", "": "--output-dir is empty",
	} {
		for _, args := range [][]string{{"render", "--offline"}, {"unpack"}} {
			if code, text := said(append(args, "-i", key, "--to", "127.0.0.1:1", "--output-dir", path, sealed)...); code != exitUsage || !strings.Contains(text, want) {
				t.Errorf("%s --output-dir %q: exit %d: %s", args[0], path, code, text)
			}
		}
	}
	for _, name := range []string{"nowhere", "out", "new\nline"} {
		if _, err := os.Lstat(at(name)); err == nil {
			t.Errorf("%q was made", name)
		}
	}
}
