package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// sumsAgree lets sha256sum check the bundle.
func sumsAgree(t testing.TB, dir string) {
	t.Helper()
	cmd := proctest.Command(t, "sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sha256sum: %v\n%s", err, out)
	}
}

// openings are the lines of README.txt that open a key file, their notes cut off.
func openings(t testing.TB, dir string) (lines []string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if cmd, _, _ := strings.Cut(line, "#"); strings.Contains(cmd, `> "OUT/bundle.key"`) {
			lines = append(lines, strings.TrimSpace(cmd))
		}
	}
	return lines
}

// TestStandardTools opens bundles for every kind of recipient as README.txt says,
// with the age program alone, and its list of images with zstd and tar.
func TestStandardTools(t *testing.T) {
	debian := keystest.Program(t, "age")
	keystest.Program(t, "zstd")
	keystest.Plugin(t)
	newAge := keystest.Age13(t)
	ed, rsa := keystest.SSHKey(t, "ed25519", ""), keystest.SSHKey(t, "rsa", "", "-b", "2048")
	x, xid := ageKey(t, false)
	pq, pqid := ageKey(t, true)
	device, did := keystest.PluginKey(keystest.Classic, false, 5)
	qdevice, qdid := keystest.PluginKey(keystest.PostQuantum, false, 6)
	device2, qdevice2 := keystest.Write(t, did), keystest.Write(t, qdid)
	for name, c := range map[string]openable{
		"X25519":       {debian, []string{x}, nil, []string{`age -d -i "KEY" key-1.age`}, []string{xid}, "age (any version)"},
		"ssh-ed25519":  {debian, []string{keystest.Public(t, ed)}, nil, []string{"age -d -i ~/.ssh/id_ed25519 key-1.age"}, []string{ed}, "age (any version)"},
		"ssh-rsa":      {debian, []string{keystest.Public(t, rsa)}, nil, []string{"age -d -i ~/.ssh/id_rsa key-1.age"}, []string{rsa}, "age (any version)"},
		"plugin":       {debian, []string{device}, nil, []string{`age -d -i "KEY" key-1.age`}, []string{device2}, "age 1.1 or newer"},
		"passphrase":   {debian, nil, []string{"correct horse"}, []string{"age -d key-1.age"}, []string{""}, "age (any version)"},
		"post-quantum": {newAge, []string{pq}, nil, []string{`age -d -i "KEY" key-1.age`}, []string{pqid}, "age 1.3 or newer"},
		"all classic kinds": {debian, []string{x, keystest.Public(t, ed), keystest.Public(t, rsa), device}, []string{"correct horse", "battery staple"},
			[]string{`age -d -i "KEY" key-1.age`, "age -d -i ~/.ssh/id_ed25519 key-1.age", "age -d -i ~/.ssh/id_rsa key-1.age", `age -d -i "KEY" key-1.age`, "age -d key-2.age", "age -d key-3.age"},
			[]string{xid, ed, rsa, device2, "", ""}, "age 1.1 or newer"},
		"all post-quantum kinds": {newAge, []string{pq, qdevice}, []string{"correct horse"},
			[]string{`age -d -i "KEY" key-1.age`, `age -d -i "KEY" key-1.age`, "age -d key-2.age"}, []string{pqid, qdevice2, ""}, "age 1.3 or newer"},
		"a post-quantum plugin alone": {newAge, []string{qdevice}, nil, []string{`age -d -i "KEY" key-1.age`}, []string{qdevice2}, "age 1.3 or newer"},
	} {
		t.Run(name, func(t *testing.T) {
			if !soak() && (name == "ssh-rsa" || name == "a post-quantum plugin alone" || name == "passphrase") {
				t.Skip("a key of this kind is among all classic or all post-quantum kinds: see make soak")
			}
			c.check(t)
		})
	}
}

// openable is a kind of recipients, and how README.txt lets them open a bundle.
type openable struct {
	age        string // the program
	recipients []string
	words      []string
	lines      []string // of README.txt
	keys       []string // what KEY or an SSH key's name stands for in each line; "" for the next of words
	version    string   // that README.txt asks for
}

func (c openable) check(t *testing.T) {
	to, err := ParseRecipients(c.recipients, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	who := someone{to: to}
	for _, w := range c.words {
		who = who.and(word(t, w))
	}
	f, fp := packFor(t, who)
	mustVerify(t, f.drive, fp)
	sumsAgree(t, f.drive)
	lines := openings(t, f.drive)
	if len(lines) != len(c.lines) {
		t.Fatalf("README.txt says %q", lines)
	}
	readme, err := os.ReadFile(filepath.Join(f.drive, "README.txt"))
	if err != nil || !strings.Contains(string(readme), c.version) {
		t.Errorf("README.txt does not ask for %q: %v", c.version, err)
	}
	words := c.words
	for i, line := range lines {
		if line != c.lines[i]+` > "OUT/bundle.key"` {
			t.Errorf("line %d is %q, want %q", i, line, c.lines[i])
		}
		secret := ""
		if c.keys[i] == "" {
			secret, words = words[0], words[1:]
		}
		openByHand(t, f.drive, c.age, line, c.keys[i], secret)
	}
}

func ageKey(t testing.TB, postQuantum bool) (recipient, file string) {
	t.Helper()
	identity, recipient, err := GenerateKey(postQuantum)
	if err != nil {
		t.Fatal(err)
	}
	return recipient, keystest.Write(t, identity+"\n")
}

// openByHand runs a line of README.txt, on a terminal if there is a passphrase
// to type, and then reads the layout with the key that it gave.
func openByHand(t testing.TB, dir, age, line, key, secret string) {
	t.Helper()
	out := t.TempDir()
	line = strings.NewReplacer("age -d", age+" -d", "KEY", key, "~/.ssh/id_ed25519", key, "~/.ssh/id_rsa", key, "OUT", out).Replace(line)
	cmd := proctest.Command(t, "bash", "-c", line)
	if secret != "" {
		keystest.Program(t, "script")
		cmd = proctest.Command(t, "script", "-qec", line, "/dev/null")
		cmd.Stdin = strings.NewReader(secret + "\n")
	}
	cmd.Dir = dir
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, printed)
	}
	rest := proctest.Command(t, "bash", "-c", `set -eo pipefail; for f in s-*.age; do "$0" -d -i "$1/bundle.key" "$f"; done | zstd -d | tar -xO index.json`, age, out)
	rest.Dir = dir
	printed, err := rest.CombinedOutput()
	if err != nil || !strings.Contains(string(printed), "registry.example:5000/made-up/") {
		t.Fatalf("the layout: %v\n%s", err, printed)
	}
}

func TestKeyErrors(t *testing.T) {
	a, b := newPerson(t, false), newPerson(t, false)
	f, fp := packFor(t, a.and(word(t, "right")))
	ctx := context.Background()
	open := func(ids []Identity) error {
		r, err := Open(ctx, []string{f.drive}, Wanted{Expect: fp}, ids)
		if err == nil {
			err = r.Close()
		}
		return err
	}
	if err := open(b.and(word(t, "wrong")).by); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), "wrong passphrase") || strings.Contains(err.Error(), "\n") {
		t.Errorf("wrong keys: %v", err)
	}
	if err := open(b.and(word(t, "right")).by); err != nil {
		t.Errorf("a wrong key beside the right passphrase: %v", err)
	}
	if err := open([]Identity{AskPassphrase(nil, "word", false).Identity()}); !errors.Is(err, ErrWrongKey) || !errors.Is(err, ErrNoTerminal) {
		t.Errorf("no terminal: %v", err)
	}
	if err := open(append([]Identity{AskPassphrase(nil, "word", false).Identity()}, a.by...)); err != nil {
		t.Errorf("no terminal, but a key: %v", err)
	}
}

func TestResumeForPassphrase(t *testing.T) {
	asked := 0
	ui := &UI{Ask: func(string, bool) (string, error) { asked++; return "typed", nil }}
	f := newFixture(t, DefaultSegmentSize, false)
	file := word(t, "from a file").to
	typed := func() []Recipient { return []Recipient{AskPassphrase(ui, "word", true).Recipient()} }
	f.job.Recipients = append(typed(), file...)
	if err := f.job.MakeKey(); err != nil {
		t.Fatal(err)
	}
	if err := f.writer(t).Close(); err != nil {
		t.Fatal(err)
	}
	if asked != 2 {
		t.Errorf("asked %d times, want twice, to find typing errors", asked)
	}
	for name, c := range map[string]struct {
		to []Recipient
		ok bool
	}{
		"the same":         {append(typed(), file...), true},
		"another file":     {append(typed(), word(t, "from another").to...), false},
		"one fewer":        {file, false},
		"a key beside":     {append(append(typed(), file...), newPerson(t, false).to...), false},
		"the same, sorted": {append(file[:1:1], typed()...), true},
	} {
		job := f.job
		job.Recipients = c.to
		w, err := Resume(context.Background(), f.drive, f.state, job, nil)
		var refused *RefusedError
		if c.ok != (err == nil) || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		if w != nil {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if asked != 2 {
		t.Error("resuming asked for the passphrase again")
	}
}
