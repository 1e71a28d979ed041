package sign

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// krlString writes a string of SSH.
func krlString(parts ...string) string {
	s := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// krl makes a key revocation list of sections, each a byte and a string.
func krl(sections ...string) string {
	return krlMagic + "\x00\x00\x00\x01" + strings.Repeat("\x00", 24) + krlString() + krlString("comment") + strings.Join(sections, "")
}

// aliceBlob is alice's key as the lists have it.
func aliceBlob() string {
	b, _ := base64.StdEncoding.DecodeString(strings.Fields(alice)[1])
	return string(b)
}

// TestRevokedFiles: what is a list of revoked keys, and what is refused: nothing counts then.
func TestRevokedFiles(t *testing.T) {
	t.Parallel()
	pub, err := parsePublic(alice)
	if err != nil {
		t.Fatal(err)
	}
	certificates := func(parts ...string) string {
		return krl("\x01" + krlString(krlString("ca"), krlString(), strings.Join(parts, "")))
	}
	tests := []struct {
		name, file string
		has        bool
		want       string // of the error
	}{
		{"empty", "", false, ""},
		{"comments alone", "# none yet\n\n", false, ""},
		{"key", "# stolen\r\n " + alice + " laptop\r\n", true, ""},
		{"KRL with nothing in it", krl(), false, ""},
		{"KRL with a key", krl("\x02" + krlString(krlString("other"), krlString(aliceBlob()))), true, ""},
		{"KRL with keys that are no keys", krl("\x02" + krlString(krlString("other"))), false, ""},
		{"KRL about certificates", certificates("\x20"+krlString("12345678"), "\x21"+krlString("1234567812345678"), "\x22"+krlString("12345678"+krlString("\x01")), "\x23"+krlString(krlString("id"))), false, ""},
		{"extension that may be skipped", krl("\xff" + krlString(krlString("x@example.com"), "\x00", krlString("y"))), false, ""},

		{"fingerprint", "SHA256:fz3uplmHzpCw5dsqC26EBr/sdJPhmtTH4xQ4vc3kCTw\n", false, "line 1: "},
		{"options", `from="10.0.0.1" ` + alice, false, "line 1: "},
		{"no key", alice + "\nssh-ed25519 AAAA\n", false, "line 2: "},
		{"zero bytes", "\x00\x01", false, "line 1: "},
		{"extension that must be known", krl("\xff" + krlString(krlString("x@example.com"), "\x01", krlString())), false, `"x@example.com" is not known`},
		{"such an extension about certificates", certificates("\x39" + krlString(krlString("x"), "\x01", krlString())), false, `"x" is not known`},
		{"unknown section", krl("\x06" + krlString()), false, "type 6"},
		{"signature", krl("\x04" + krlString()), false, "type 4"},
		{"unknown section about certificates", certificates("\x24" + krlString()), false, "type 36"},
		{"serial cut short", certificates("\x20" + krlString("1234567")), false, "too early"},
		{"hash of another length", krl("\x03" + krlString(krlString("short"))), false, "has 5 bytes"},
		{"section cut short", krl("\x02\x00\x00\x00\xff"), false, "too early"},
		{"key longer than its section", krl("\x02" + krlString("\xff\xff\xff\xff")), false, "too early"},
		{"another format", strings.Replace(krl(), "\x00\x00\x00\x01", "\x00\x00\x00\x02", 1), false, "format 2"},
		{"header alone", krlMagic, false, "too early"},
	}
	for _, tt := range tests {
		trust := &Trust{}
		file := writeFile(t, t.TempDir(), "revoked", tt.file)
		err := trust.Revoke([]string{file})
		var bad *TrustFileError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want == "" && (trust.revokedBy(pub) == file) != tt.has:
			t.Errorf("%s: the key is revoked by %q, expected %t", tt.name, trust.revokedBy(pub), tt.has)
		case tt.want != "" && (!errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, expected one with %q", tt.name, err, tt.want)
		}
	}
	large := writeFile(t, t.TempDir(), "revoked", strings.Repeat("#", maxRevokedFile+1))
	for _, file := range []string{large, t.TempDir(), "/none/revoked", ""} {
		if err := (&Trust{}).Revoke([]string{file}); err == nil {
			t.Errorf("%q was taken for a list of revoked keys", file)
		}
	}
}

// TestRevokedAsOpenSSH: lists that ssh-keygen makes and reads revoke here what they revoke there, and what it does not
// take lets nobody sign here either.
func TestRevokedAsOpenSSH(t *testing.T) {
	t.Parallel()
	keygen := keystest.Program(t, "ssh-keygen")
	dir := t.TempDir()
	run := func(args ...string) string {
		out, err := proctest.Command(t, keygen, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	mine, other := keystest.SSHKey(t, "ed25519", ""), keystest.SSHKey(t, "ed25519", "")
	pub, others := keystest.Public(t, mine), keystest.Public(t, other)
	pubFile, otherFile := writeFile(t, dir, "mine.pub", pub+"\n"), writeFile(t, dir, "other.pub", others+"\n")
	run("-q", "-s", other, "-I", "id", "-z", "5", pubFile)
	cert, err := os.ReadFile(filepath.Join(dir, "mine-cert.pub"))
	if err != nil {
		t.Fatal(err)
	}
	message := writeFile(t, dir, "message", "content\n")
	run("-q", "-Y", "sign", "-n", BundleNamespace, "-f", mine, message)
	body, err := os.ReadFile(message + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	list := func(specs ...string) string {
		file := filepath.Join(t.TempDir(), "krl")
		run("-q", "-k", "-f", file, "-s", otherFile, writeFile(t, dir, "spec", strings.Join(specs, "\n")+"\n"))
		krl, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(krl)
	}
	fingerprint := func(file string) string { return strings.Fields(run("-lf", file))[1] }
	allowed := writeFile(t, dir, "signers", "me "+pub+"\nyou "+others+"\n")
	lists := map[string]string{
		"nothing": "", "comment": "# x\n", "key": pub + "\n", "another key": others + "\n", "both, spaces": "  " + others + "\n\n# x\n\t" + pub + " comment\n",
		"certificate": string(cert), "fingerprint": fingerprint(pubFile) + "\n", "garbage after": pub + "\ngarbage\n", "garbage before another": "garbage\n" + others + "\n",
		"options": `cert-authority ` + others + "\n", "cut": pub[:40] + "\n",
		"KRL key": list("key: " + pub), "KRL SHA-1": list("sha1: " + pub), "KRL SHA-256": list("sha256: " + pub), "KRL hash": list("hash: " + fingerprint(pubFile)),
		"KRL another key": list("key: "+others, "sha1: "+others, "hash: "+fingerprint(otherFile)), "KRL certificates": list("serial: 5", "serial: 9-12", "id: id", "id: me"),
		"KRL all": list("serial: 1-3", "key: "+others, "serial: 77", "sha256: "+pub, "id: x"),
	}
	lists["KRL cut"] = lists["KRL key"][:len(lists["KRL key"])-1]
	counts := 0
	for name, content := range lists {
		file := writeFile(t, dir, "revoked", content)
		cmd := proctest.Command(t, keygen, "-Y", "verify", "-f", allowed, "-I", "me", "-n", BundleNamespace, "-s", message+".sig", "-r", file)
		cmd.Stdin = strings.NewReader("content\n")
		out, err := cmd.CombinedOutput()
		theirs := err == nil
		trust, err := LoadTrust([]string{allowed}, 1)
		if err == nil {
			err = trust.Revoke([]string{file})
		}
		if err == nil {
			_, err = trust.Check(BundleNamespace, []byte("content\n"), []Signature{{File: "s", Body: body}}, time.Now())
		}
		if ours := err == nil; ours != theirs {
			t.Errorf("%s: ssh-keygen %t, here %v\n%s", name, theirs, err, out)
		} else if ours {
			counts++
		}
	}
	if counts < 4 {
		t.Errorf("the signature counts with %d lists only", counts)
	}
}

// FuzzKRL: whatever a list has, it is refused, or names keys and hashes of the right length that stand in it.
func FuzzKRL(f *testing.F) {
	for _, body := range []string{krl(), krl("\x02" + krlString(krlString("key"))), krl("\x01" + krlString(krlString(), krlString(), "\x20"+krlString("12345678"))), krl("\x03" + krlString(krlString(strings.Repeat("x", 20)))), krl("\xff" + krlString(krlString("x"), "\x00", krlString())), krlMagic} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseKRL(body)
		if err != nil {
			return
		}
		total := 0
		for size, list := range map[int]map[string]bool{0: r.keys, 20: r.sha1, 32: r.sha256} {
			for s := range list {
				if total += 4 + len(s); s == "" || size > 0 && len(s) != size {
					t.Errorf("%q is taken in, of %d bytes", s, size)
				}
			}
		}
		if total > len(body) {
			t.Errorf("%d bytes of keys from %d", total, len(body))
		}
	})
}
