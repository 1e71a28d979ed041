package keys

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// pair is a recipient and the identity file that belongs to it.
type pair struct{ recipient, identity string }

func generate(t testing.TB, postQuantum bool) pair {
	t.Helper()
	identity, recipient, err := Generate(postQuantum)
	if err != nil {
		t.Fatal(err)
	}
	return pair{recipient, keystest.Write(t, identity+"\n")}
}

func sshPair(t testing.TB, keyType, passphrase string, more ...string) pair {
	t.Helper()
	file := keystest.SSHKey(t, keyType, passphrase, more...)
	return pair{keystest.Public(t, file), file}
}

func pluginPair(t testing.TB, l keystest.Label, asks bool, number byte) pair {
	t.Helper()
	recipient, identity := keystest.PluginKey(l, asks, number)
	return pair{recipient, keystest.Write(t, "# a plugin's\n"+identity+"\n")}
}

func recipients(t testing.TB, list ...pair) []Recipient {
	t.Helper()
	var to []Recipient
	for _, p := range list {
		r, err := ParseRecipient(p.recipient, nil)
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, r)
	}
	return to
}

func identities(t testing.TB, file string, ui *UI) []Identity {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := ReadIdentities(file, bytes.NewReader(body), ui, func() ([]byte, error) { return os.ReadFile(file + ".pub") })
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func known(t testing.TB, text string) Passphrase {
	t.Helper()
	p, err := ReadPassphrase("a file", strings.NewReader(text+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answers is a person who gives these answers, and counts the questions.
type answers struct {
	list  []string
	asked []string
	shown []string
}

func (a *answers) ui() *UI {
	return &UI{
		Ask: func(prompt string, _ bool) (string, error) {
			a.asked = append(a.asked, prompt)
			if len(a.list) == 0 {
				return "", ErrNoTerminal
			}
			s := a.list[0]
			a.list = a.list[1:]
			return s, nil
		},
		Confirm: func(string, string, string) (bool, error) { return true, nil },
		Notify:  func(m string) { a.shown = append(a.shown, m) },
	}
}

func named(bodies [][]byte) []File {
	var list []File
	for i, b := range bodies {
		list = append(list, File{Name: string(rune('1' + i)), Body: b})
	}
	return list
}

// opens checks that the identities give the bundle key that was made.
func opens(t testing.TB, bodies [][]byte, recipient string, ids ...Identity) {
	t.Helper()
	key, err := Unlock(context.Background(), named(bodies), ids)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := Encrypt(&file, recipient)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(w, "content")
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	r, size, err := key.Decrypt(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(r, 0, size)); err != nil || string(got) != "content" {
		t.Fatalf("decrypted %q, %v", got, err)
	}
	if pq := strings.HasPrefix(recipient, "age1pq1"); key.PostQuantum() != pq {
		t.Errorf("PostQuantum() = %v for %s", key.PostQuantum(), shorten(recipient))
	}
}

func make2(t testing.TB, to []Recipient) ([][]byte, string) {
	t.Helper()
	files, recipient, err := Make(to)
	if err != nil {
		t.Fatal(err)
	}
	return files, recipient
}

func TestEveryKind(t *testing.T) {
	keystest.Plugin(t)
	list := map[string]pair{
		"X25519":              generate(t, false),
		"ssh-ed25519":         sshPair(t, "ed25519", ""),
		"ssh-rsa":             sshPair(t, "rsa", "", "-b", "2048"),
		"plugin":              pluginPair(t, keystest.Classic, false, 1),
		"encrypted ssh":       sshPair(t, "ed25519", "secret"),
		"encrypted rsa":       sshPair(t, "rsa", "secret", "-b", "2048"),
		"old encrypted rsa":   sshPair(t, "rsa", "secret", "-b", "2048", "-m", "PEM"),
		"plugin with a PIN":   pluginPair(t, keystest.Classic, true, 2),
		"post-quantum":        generate(t, true),
		"post-quantum plugin": pluginPair(t, keystest.PostQuantum, false, 3),
	}
	var classics, quanta []pair
	for name, p := range list {
		if strings.HasPrefix(name, "post-quantum") {
			quanta = append(quanta, p)
		} else {
			classics = append(classics, p)
		}
	}
	for name, p := range list {
		t.Run(name, func(t *testing.T) {
			all := classics
			if strings.HasPrefix(name, "post-quantum") {
				all = quanta
			}
			files, recipient := make2(t, append(recipients(t, all...), known(t, "a word").Recipient(), known(t, "another").Recipient()))
			if len(files) != 3 {
				t.Fatalf("%d key files, want one for all keys and one for each passphrase", len(files))
			}
			who := answers{list: []string{"secret"}}
			if strings.Contains(name, "PIN") {
				who.list = []string{keystest.PIN}
			}
			opens(t, files, recipient, identities(t, p.identity, who.ui())...)
			opens(t, files, recipient, known(t, "a word").Identity())
			opens(t, files, recipient, known(t, "another").Identity())
		})
	}
}

func TestPassphraseAlone(t *testing.T) {
	files, recipient := make2(t, []Recipient{known(t, "a word").Recipient()})
	if len(files) != 1 || strings.HasPrefix(recipient, "age1pq1") {
		t.Fatalf("%d key files for %s", len(files), recipient)
	}
	h, err := Inspect(files[0])
	if err != nil || len(h.types) != 1 || h.types[0] != stanzaScrypt {
		t.Fatalf("header %v, %v", h, err)
	}
	list, err := stanzas(files[0])
	if err != nil || list[0].Args[1] != "15" {
		t.Errorf("work factor %v, %v; want 15", list[0].Args, err)
	}
	opens(t, files, recipient, known(t, "a word").Identity())
	_, err = Unlock(context.Background(), named(files), []Identity{known(t, "a wrong one").Identity()})
	if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), "wrong passphrase") {
		t.Errorf("a wrong passphrase gave %v", err)
	}
}

func TestEncryptedIdentityFile(t *testing.T) {
	plain := generate(t, false)
	body, err := os.ReadFile(plain.identity)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.NewScryptRecipient("secret")
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(10)
	for name, armored := range map[string]bool{"binary": false, "armored": true} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			var dst io.WriteCloser = nopCloser{&file}
			if armored {
				dst = armor.NewWriter(&file)
			}
			w, err := age.Encrypt(dst, r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(body)
			if err = errors.Join(err, w.Close(), dst.Close()); err != nil {
				t.Fatal(err)
			}
			locked := keystest.Write(t, file.String())
			files, recipient := make2(t, recipients(t, plain))
			who := answers{list: []string{"secret"}}
			opens(t, files, recipient, identities(t, locked, who.ui())...)
			if len(who.asked) != 1 {
				t.Errorf("asked %q, want one question", who.asked)
			}
			who = answers{list: []string{"wrong", "secret"}}
			_, err = Unlock(context.Background(), named(files), identities(t, locked, who.ui()))
			if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), "wrong passphrase") || len(who.asked) != 1 {
				t.Errorf("a wrong passphrase gave %v after %d questions", err, len(who.asked))
			}
			_, err = Unlock(context.Background(), named(files), identities(t, locked, nil))
			if !errors.Is(err, ErrNoMatch) || !errors.Is(err, ErrNoTerminal) {
				t.Errorf("without a terminal: %v", err)
			}
		})
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func TestAskedOnce(t *testing.T) {
	runs := keystest.Plugin(t)
	ssh, device, other := sshPair(t, "ed25519", "secret"), pluginPair(t, keystest.Classic, true, 7), pluginPair(t, keystest.Classic, true, 8)
	files, _ := make2(t, recipients(t, generate(t, false)))
	more, _ := make2(t, recipients(t, other))
	last, _ := make2(t, recipients(t, ssh))
	who := answers{list: []string{keystest.PIN, "secret", "secret"}}
	all := [][]byte{files[0], more[0], last[0]}
	before := runs("unwrap")
	_, err := Unlock(context.Background(), named(all[:1]), append(identities(t, device.identity, who.ui()), identities(t, ssh.identity, who.ui())...))
	if !errors.Is(err, ErrNoMatch) || len(who.asked) != 0 {
		t.Errorf("keys that do not fit: %v, asked %q", err, who.asked)
	}
	if _, err = Unlock(context.Background(), named(all), identities(t, other.identity, who.ui())); err != nil {
		t.Fatal(err)
	}
	if n := runs("unwrap") - before; n != 2 || len(who.asked) != 1 {
		t.Errorf("the plugin was run %d times for two openings and asked %q", n, who.asked)
	}
	who.asked = nil
	if _, err = Unlock(context.Background(), named(append(all, last[0])), append(identities(t, ssh.identity, who.ui()), AskPassphrase(who.ui(), "word", false).Identity())); err != nil || len(who.asked) != 1 {
		t.Errorf("%v, asked %q", err, who.asked)
	}
}

func TestWorkFactor(t *testing.T) {
	identity, _, err := Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	for factor, ok := range map[int]bool{15: true, 16: true, 17: false} {
		r, err := age.NewScryptRecipient("a word")
		if err != nil {
			t.Fatal(err)
		}
		r.SetWorkFactor(factor)
		var file bytes.Buffer
		w, err := age.Encrypt(&file, r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(w, identity+"\n")
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		_, uerr := Unlock(context.Background(), []File{{Name: "key-1.age", Body: file.Bytes()}}, []Identity{known(t, "a word").Identity()})
		_, ierr := Inspect(file.Bytes())
		if ok != (uerr == nil) || ok != (ierr == nil) {
			t.Errorf("work factor %d: %v, %v", factor, uerr, ierr)
		}
		if !ok && uerr.Error() != "key-1.age asks for scrypt work factor 17, and at most 16 is accepted" {
			t.Errorf("work factor %d: %v", factor, uerr)
		}
	}
}

// TestHeaders holds hand-made headers against what the format allows.
func TestHeaders(t *testing.T) {
	const salt, body = "AAAAAAAAAAAAAAAAAAAAAA", "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	for name, c := range map[string]struct {
		stanzas string
		ok, pq  bool
	}{
		"one passphrase":                 {"-> scrypt " + salt + " 15" + body, true, true},
		"huge work factor":               {"-> scrypt " + salt + " 99999999999999999999" + body, false, true},
		"a work factor of words":         {"-> scrypt " + salt + " 1e1" + body, false, true},
		"passphrase beside a key":        {"-> scrypt " + salt + " 15" + body + "-> X25519 " + salt + body, false, false},
		"a key in a post-quantum bundle": {"-> X25519 " + salt + body, false, true},
		"a plugin's, of any kind":        {"-> someone " + salt + body, true, true},
		"a YubiKey's in post-quantum":    {"-> piv-p256 " + salt + body, false, true},
		"post-quantum in classic":        {"-> mlkem768x25519 " + salt + body, false, false},
		"post-quantum in post-quantum":   {"-> mlkem768x25519 " + salt + body, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := Inspect([]byte("age-encryption.org/v1\n" + c.stanzas + "--- " + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" + strings.Repeat("\x00", 48)))
			if err == nil {
				err = h.Check(c.pq)
			}
			if c.ok != (err == nil) {
				t.Errorf("got %v, want ok = %v", err, c.ok)
			}
		})
	}
}
