package keys

import (
	"errors"
	"os"
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
