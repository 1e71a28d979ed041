package siteconfig

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var known = Known{
	"verify": {"trust": {List: true, Path: true}, "signatures": {}, "quiet": {Bool: true}, "yes": {Refused: "it agrees"}},
	"pack":   {"to": {}, "helm": {List: true, Path: true, Pair: true}, "quiet": {Bool: true}},
	"repair": {"to": {Path: true, Apart: true}, "new": {Apart: true}},
}

func write(t *testing.T, body string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := errors.Join(os.WriteFile(file, []byte(body), mode), os.Chmod(file, mode)); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRefused: whatever is not understood is refused, with its place and what is meant.
func TestRefused(t *testing.T) {
	t.Parallel()
	const head = "satchel: config/1\n"
	for _, c := range []struct{ body, want, hint string }{
		{"", ":1:1: it is empty", ""},
		{"defaults: {}\n", ":1:1: a site configuration begins with satchel: config/1", ""},
		{"- a\n", ":1:1: a site configuration begins", ""},
		{"satchel: config/2\n", `:1:10: its form is "config/2"`, "knows config/1"},
		{head + "default:\n  to: x\n", `:2:1: "default" is no command`, "did you mean defaults?"},
		{head + "verfy:\n  quiet: true\n", `:2:1: "verfy" is no command`, "did you mean verify?"},
		{head + "verify:\n  trusst: x\n", `:3:3: satchel verify has no flag "trusst"`, "did you mean trust?"},
		{head + "defaults:\n  sinatures: 2\n", `:3:3: no command has a flag "sinatures"`, "did you mean signatures?"},
		{head + "defaults:\n  new: x\n", ":3:3: --new means something else for each command", "below repair:"},
		{head + "verify:\n  yes: true\n", ":3:3: --yes cannot be set in a file: it agrees", ""},
		{head + "defaults:\n  yes: true\n", ":3:3: --yes cannot be set in a file: it agrees", ""},
		{head + "verify:\n  signatures:\n", ":3:14: signatures has no value", "empty list"},
		{head + "verify:\n  trust: [a, '']\n", ":3:14: trust has no value", ""},
		{head + "verify:\n  signatures: [1, 2]\n", ":3:15: signatures takes one value", ""},
		{head + "verify:\n  signatures: {a: 1}\n", ":3:15: signatures takes plain values", ""},
		{head + "verify:\n  quiet: yes please\n", ":3:10: quiet wants true or false", ""},
		{head + "verify:\n  trust: ~bob/x\n", ":3:10: trust: only ~/ is understood", ""},
		{head + "verify:\n  trust: a\n  trust: b\n", `:4:3: "trust" is there twice`, ""},
		{head + "verify: {}\nverify: {}\n", `:3:1: "verify" is there twice`, ""},
		{head + "verify: x\n", ":2:9: verify must hold flags", "without their dashes"},
		{head + "---\nverify: {}\n", "more than one document", ""},
		{head + "verify:\n\ttrust: a\n", ":3:1:", ""},
		{head + "x: &a [*a]\n", `"x" is no command`, ""},
		{head + "\xff", "not UTF-8", ""},
		{head + strings.Repeat("#", maxFile), "larger than", ""},
	} {
		entries, err := Read(write(t, c.body, 0o600), known)
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || !strings.Contains(bad.Hint(), c.hint) {
			t.Errorf("%q: %v, %v, want %q", c.body, entries, err, c.want)
		}
	}
}

// TestUnsafe: a file that others may write to, or that cannot be read, is an error and never counts as one that
// is not there.
func TestUnsafe(t *testing.T) {
	t.Parallel()
	const body = "satchel: config/1\n"
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("gone", nowhere); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		nowhere:                          "no such file",
		write(t, body, 0o620):            "others could change",
		write(t, body, 0o602):            "others could change",
		t.TempDir():                      "not a regular file",
		pipe:                             "not a regular file",
		write(t, body, 0o600) + "/below": "not a directory",
	} {
		if _, err := Read(file, known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	if os.Geteuid() == 0 {
		theirs := write(t, body, 0o600)
		if err := os.Chown(theirs, 4711, 4711); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(theirs, known); err == nil || !strings.Contains(err.Error(), "another user (4711)") {
			t.Errorf("a file of another user: %v", err)
		}
	}
	if entries, err := Read(filepath.Join(t.TempDir(), "none"), known); entries != nil || err != nil {
		t.Errorf("no file: %v, %v", entries, err)
	}
}

// TestLookup: what counts first, and what values become.
func TestLookup(t *testing.T) {
	t.Parallel()
	user := write(t, "satchel: config/1\ndefaults:\n  trust: [a, ~/b, /c]\n  to: user.example\nverify: {quiet: true}\n", 0o644)
	etc := write(t, "satchel: config/1\nverify:\n  trust: /etc/x\npack: {to: etc.example, helm: [web=v.yaml]}\nrepair: {to: out}\ndefaults: {quiet: false}\n", 0o600)
	var site Site
	for _, file := range []string{user, etc} {
		entries, err := Read(file, known)
		if err != nil {
			t.Fatal(err)
		}
		site.Entries = append(site.Entries, entries...)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command, flag string
		apart         bool
		want          []string // file:values, of all entries
	}{
		{"verify", "trust", false, []string{user + " " + filepath.Dir(user) + "/a " + home + "/b /c", etc + " /etc/x"}},
		{"pack", "to", false, []string{user + " user.example", etc + " etc.example"}},
		{"repair", "to", true, []string{etc + " " + filepath.Dir(etc) + "/out"}},
		{"pack", "helm", false, []string{etc + " web=" + filepath.Dir(etc) + "/v.yaml"}},
		{"verify", "quiet", false, []string{user + " true", etc + " false"}},
		{"pack", "quiet", false, []string{etc + " false"}},
	} {
		var got []string
		for _, e := range site.Lookup(c.command, c.flag, c.apart) {
			got = append(got, e.File+" "+strings.Join(e.Values, " "))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s --%s: %q, want %q", c.command, c.flag, got, c.want)
		}
	}
}

// FuzzParse: no text does harm, and an entry has a place and a flag that may be set.
func FuzzParse(f *testing.F) {
	f.Add("satchel: config/1\nverify: {trust: [a]}\n")
	f.Add("satchel: config/1\n? [a]\n: b\n")
	f.Add("satchel: &x config/1\n<<: *x\n")
	f.Fuzz(func(t *testing.T, body string) {
		entries, err := parse("/x/config.yaml", []byte(body), known)
		for _, e := range entries {
			if err == nil && (e.Line == 0 || known[e.Section][e.Flag].Refused != "") {
				t.Errorf("%+v", e)
			}
		}
	})
}
