package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
)

// TestChooseOnTerminal asks which of two bundles is meant, until it is told. Without a
// terminal it takes none.
func TestChooseOnTerminal(t *testing.T) {
	t.Parallel()
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

// TestOnlyOne: of what stands on a drive, one finished bundle and its copies are taken without
// a question, and nothing else is.
func TestOnlyOne(t *testing.T) {
	t.Parallel()
	one := bundle.Found{Dir: "/d/one", Bundle: "a", Fingerprint: "f1", Sealed: true}
	two := bundle.Found{Dir: "/d/two", Bundle: "b", Fingerprint: "f2", Sealed: true}
	twin := bundle.Found{Dir: "/d/twin", Bundle: "a", Fingerprint: "f1", Sealed: true, Err: &bundle.DamageError{Dir: "/d/twin"}}
	half := bundle.Found{Dir: "/d/half", Bundle: "c", Err: &bundle.UnfinishedError{Dir: "/d/half"}}
	lost := bundle.Found{Dir: "/d/lost", Bundle: "d", Err: &bundle.DamageError{Dir: "/d/lost"}}
	busy := bundle.Found{Dir: "/d/busy", Bundle: "e", Running: true, Err: &bundle.UnfinishedError{Dir: "/d/busy", Running: true}}
	read := bundle.Found{Dir: "/d/read", Bundle: "a", Fingerprint: "f1", Sealed: true, Running: true}
	for name, c := range map[string]struct {
		list  []bundle.Found
		named bool
		dir   string // that is taken, "" if it is asked
		said  string
	}{
		"finished and not":             {[]bundle.Found{half, one}, false, "/d/one", "one is taken, and not what is unfinished in /d: half (c, unfinished)"},
		"copies":                       {[]bundle.Found{twin, one}, false, "/d/one", "bundle a stands more than once in /d: one is taken, and not twin"},
		"copies and an unfinished one": {[]bundle.Found{half, twin, one}, false, "/d/one", "half (c, unfinished)"},
		"two":                          {[]bundle.Found{one, two}, false, "", ""},
		"two and an unfinished one":    {[]bundle.Found{one, half, two}, false, "", ""},
		"unfinished ones":              {[]bundle.Found{half, half}, false, "", ""},
		"a lost seal":                  {[]bundle.Found{half, lost}, false, "", ""},
		"a lost seal beside":           {[]bundle.Found{one, lost}, false, "", ""},
		"one that is being written":    {[]bundle.Found{one, busy}, false, "", ""},
		"one that is read back":        {[]bundle.Found{one, read}, false, "", ""},
		"the same, named":              {[]bundle.Found{one, read}, true, "/d/one", "more than once"},
	} {
		if !onlyOne(c.list, c.named) {
			if c.dir != "" {
				t.Errorf("%s: it is asked", name)
			}
			continue
		}
		var said bytes.Buffer
		if got := (&app{stderr: &said}).takeOne("/d", c.list, nil, nil); got.Dir != c.dir || !strings.Contains(said.String(), c.said) {
			t.Errorf("%s: %q is taken, want %q: %s", name, got.Dir, c.dir, &said)
		}
	}
}

// TestCopiesOfAllDrives: two copies of a bundle on several drives, each with a directory of its own, are two.
func TestCopiesOfAllDrives(t *testing.T) {
	t.Parallel()
	var all []bundle.Found
	for _, set := range []string{"/d/a", "/d/b"} {
		for n := 1; n <= 3; n++ {
			f := bundle.Found{Dir: filepath.Join(set, "drive-0"+string(rune('0'+n))), Bundle: "x", Drive: n, Of: 3, Sealed: true}
			if n == 3 {
				f.Fingerprint = "f"
			}
			all = append(all, f)
		}
	}
	for damaged, want := range map[int]string{5: "/d/a", 4: "/d/a", 0: "/d/b", 2: "/d/b"} {
		found := slices.Clone(all)
		found[damaged].Err = &bundle.DamageError{Dir: found[damaged].Dir}
		list, rest := together(found)
		if len(list) != 2 || !onlyOne(list, false) || len(rest[list[0].Dir]) != 2 || len(rest[list[1].Dir]) != 2 {
			t.Fatalf("%+v, %+v", list, rest)
		}
		var said bytes.Buffer
		got := (&app{stderr: &said}).takeOne("/d", list, rest, nil)
		if got.Dir != want+"/drive-03" || rest[got.Dir][0].Dir != want+"/drive-01" || !strings.Contains(said.String(), ": "+filepath.Base(want)+" is taken, and not ") {
			t.Errorf("%s is taken with %+v: %s", got.Dir, rest[got.Dir], &said)
		}
	}
	list, rest := together(all[1:]) // one lacks its first drive
	if got := (&app{stderr: &bytes.Buffer{}}).takeOne("/d", list, rest, nil); got.Dir != "/d/b/drive-03" {
		t.Errorf("%s is taken", got.Dir)
	}
}

// TestLeftOvers: a drive that was begun and then finished on another one does not count, if that is here.
func TestLeftOvers(t *testing.T) {
	t.Parallel()
	unfinished := &bundle.UnfinishedError{}
	first, old := bundle.Found{Dir: "m/1", Bundle: "a", Drive: 1, Of: 3, Sealed: true}, bundle.Found{Dir: "m/2", Bundle: "a", Drive: 2, Of: 3, Err: unfinished}
	whole, other := bundle.Found{Dir: "m/3", Bundle: "a", Drive: 2, Of: 3, Sealed: true}, bundle.Found{Dir: "m/4", Bundle: "b", Drive: 2, Of: 3, Sealed: true}
	copied := bundle.Found{Dir: "m/5", Bundle: "a", Drive: 2, Of: 3, Err: &bundle.UnfinishedError{Copy: true}}
	for _, c := range []struct{ all, want []bundle.Found }{
		{[]bundle.Found{first, old, whole}, []bundle.Found{old}},
		{[]bundle.Found{first, old, other}, nil},
		{[]bundle.Found{first, copied, whole}, nil},
	} {
		if got := leftOvers(c.all); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%+v: %+v", c.all, got)
		}
	}
}
