package keys

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadRecipients(t *testing.T) {
	ed, weak := sshPair(t, "ed25519", ""), sshPair(t, "ecdsa", "")
	x := generate(t, false)
	var who answers
	list, err := ReadRecipients(strings.NewReader("# people\n\n"+x.recipient+"\r\n  from=\"10.0.0.0/8\",no-pty "+ed.recipient+"\n"+weak.recipient+"\n"), who.ui())
	if err != nil || len(list) != 2 {
		t.Fatalf("%d recipients, %v", len(list), err)
	}
	if want := strings.Join(strings.Fields(ed.recipient)[:2], " "); list[1].Text != want {
		t.Errorf("the SSH key is %q, want it without options and comment: %q", list[1].Text, want)
	}
	if len(who.shown) != 1 || !strings.Contains(who.shown[0], "line 5") || !strings.Contains(who.shown[0], "ecdsa") {
		t.Errorf("shown %q of the key that was left out", who.shown)
	}
	secret, err := os.ReadFile(x.identity)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a secret key": string(secret), "rubbish": "hunter2\n", "nothing": "# only this\n", "no usable key": weak.recipient,
		"an SSH private key": "-----BEGIN OPENSSH PRIVATE KEY-----\n", "a plugin's identity": "AGE-PLUGIN-SATCHELTEST-1QQQQQQQ\n",
		"a plugin with a path for a name": "age1../../bin/sh1qqqqqqqq\n",
	} {
		if _, err := ReadRecipients(strings.NewReader(text), nil); err == nil || strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReadIdentities(t *testing.T) {
	ecdsa := sshPair(t, "ecdsa", "")
	body, err := os.ReadFile(ecdsa.identity)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a recipient": generate(t, false).recipient, "rubbish": "hunter2", "nothing": "# only this",
		"a damaged key": "AGE-SECRET-KEY-1QQQQ", "a damaged plugin identity": "AGE-PLUGIN-X-1QQQQ", "an SSH key of a kind that cannot decrypt": string(body),
	} {
		_, err := ReadIdentities("key", strings.NewReader(text), nil, nil)
		if err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewPassphrase(t *testing.T) {
	for name, c := range map[string]struct {
		answers []string
		ok      bool
	}{"the same twice": {[]string{"a", "a"}, true}, "a typing error": {[]string{"a", "b"}, false}, "nothing": {[]string{""}, false}, "no one": {nil, false}} {
		who := answers{list: c.answers}
		_, _, err := Make([]Recipient{AskPassphrase(who.ui(), "word", true).Recipient()})
		var refused *RecipientError
		if c.ok != (err == nil) || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadPassphrase("f", strings.NewReader("\nsecond line")); err == nil {
		t.Error("an empty first line was taken for a passphrase")
	}
	p, err := ReadPassphrase("f", strings.NewReader(" a b \r\nsecond line"))
	if s, _ := p.get(); err != nil || s != " a b " {
		t.Errorf("read %q, %v", s, err)
	}
}

func TestFits(t *testing.T) {
	a, b := known(t, "a").Recipient(), known(t, "b").Recipient()
	bodies, _ := make2(t, append(recipients(t, generate(t, false)), a, b))
	files := map[string][]byte{}
	for i, body := range bodies {
		files[string(rune('1'+i))] = body
	}
	for name, c := range map[string]struct {
		to   []Recipient
		fits bool
	}{"the same": {[]Recipient{b, a}, true}, "another": {[]Recipient{a, known(t, "c").Recipient()}, false}, "one twice": {[]Recipient{a, a}, false}} {
		if got := Fits(c.to, files); got != c.fits {
			t.Errorf("%s: Fits = %v", name, got)
		}
	}
}

// TestPluginPaths has names of plugins that are paths, with right checksums: no program but
// age-plugin-NAME of $PATH may be started for a key from elsewhere.
func TestPluginPaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	mark := filepath.Join(dir, "started")
	program := []byte("#!/bin/sh\necho \"$0\" >> " + mark + "\n")
	for _, name := range []string{"evil", "age-plugin-x/y", "age-plugin-", "age-plugin-x\\evil"} {
		err := os.MkdirAll(filepath.Dir(name), 0o700)
		if err = errors.Join(err, os.WriteFile(name, program, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range [][2]string{
		{"age1x/../evil1xnry5e", "AGE-PLUGIN-X/../EVIL-1URRAJ5"}, {"age1../evil1t96cks", "AGE-PLUGIN-../EVIL-1NLZ7ZQ"},
		{"age1./evil1dgqp92", "AGE-PLUGIN-./EVIL-1EA0EUE"}, {"age1/evil17twcrh", "AGE-PLUGIN-/EVIL-132SY42"},
		{`age1x\evil16jdtds`, `AGE-PLUGIN-X\EVIL-1G807TV`}, {"age1x$(evil)1d2rzsm", "AGE-PLUGIN-X$(EVIL)-1R3SU5Y"},
	} {
		if r, err := ParseRecipient(pair[0], nil); err == nil {
			_, err := r.key.Wrap(make([]byte, 16))
			t.Errorf("%s is taken for a recipient: %v", pair[0], err)
		}
		if _, err := ReadIdentities("key", strings.NewReader(pair[1]+"\n"), nil, nil); err == nil {
			t.Errorf("%s is taken for an identity", pair[1])
		}
	}
	r, err := ParseRecipient("age1x1f68a30", nil) // this one names a program, which is not there
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.key.Wrap(make([]byte, 16)); err == nil {
		t.Error("a plugin that is not there wrapped a key")
	}
	if body, err := os.ReadFile(mark); err == nil {
		t.Errorf("started: %s", body)
	}
}

// TestGreedySSHKey has an SSH key that asks for hours of bcrypt: it is refused by name, at once.
func TestGreedySSHKey(t *testing.T) {
	pair := sshPair(t, "ed25519", "secret")
	body, err := os.ReadFile(pair.identity)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(body)
	at := bytes.Index(block.Bytes, []byte("bcrypt")) + len("bcrypt") + 4 + 4 + 16 // the options: salt, rounds
	binary.BigEndian.PutUint32(block.Bytes[at:], 1<<30)
	ui := answers{list: []string{"secret"}}
	ids, err := ReadIdentities("key", bytes.NewReader(pem.EncodeToMemory(block)), ui.ui(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRecipient(pair.recipient, nil)
	if err != nil {
		t.Fatal(err)
	}
	stanzas, err := r.key.Wrap(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ids[0].key.Unwrap(stanzas); err == nil || !strings.Contains(err.Error(), "rounds 1073741824 exceed maximum") {
		t.Errorf("got %v", err)
	}
}
