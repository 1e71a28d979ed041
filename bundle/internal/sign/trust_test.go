package sign

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// testSigner makes a signer whose key follows from a number.
func testSigner(t *testing.T, n byte) *Signer {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{file: "key", pub: key.PublicKey(), sign: func(_ context.Context, sign func(ssh.Signer) error) error { return sign(key) }}
}

func (s *Signer) line() string {
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(s.pub.Marshal())
}

func testSignature(t *testing.T, s *Signer, namespace, message string) Signature {
	t.Helper()
	body, err := s.Sign(t.Context(), namespace, []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return Signature{File: "bundle.json.sig", Body: body}
}

// TestCheck: who counts, and how many.
func TestCheck(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var signers []*Signer
	var sigs []Signature
	for n := range byte(4) {
		signers = append(signers, testSigner(t, n))
		sigs = append(sigs, testSignature(t, signers[n], BundleNamespace, "m"))
	}
	tests := []struct {
		name  string
		lines []string // each is of the signer of its number; more are of the first again
		need  int
		by    []int
		want  string // of the error
	}{
		{"one", []string{"alice"}, 1, []int{0}, ""},
		{"nobody has signed", []string{"alice"}, 1, nil, "it is not signed"},
		{"another has", []string{"alice"}, 1, []int{1}, "its key is not among the allowed signers"},
		{"another has too", []string{"alice"}, 1, []int{1, 0}, ""},
		{"two of two", []string{"alice", "bob"}, 2, []int{0, 1}, ""},
		{"one of two", []string{"alice", "bob"}, 2, []int{1}, "2 different signers are needed"},
		{"one twice", []string{"alice", "bob"}, 2, []int{0, 0}, "2 different signers are needed"},
		{"one with two keys", []string{"alice", "alice"}, 2, []int{0, 1}, "may be the same person"},
		{"one with two keys, one shared", []string{"alice", "alice,bob"}, 2, []int{0, 1}, "may be the same person"},
		{"a wildcard may be anybody", []string{"alice@x", "*@x"}, 2, []int{0, 1}, "may be the same person"},
		{"but not whom it excludes", []string{"alice@x", "*@x,!alice@x"}, 2, []int{0, 1}, ""},
		{"the middle one is left out", []string{"a", "a,b", "b"}, 2, []int{1, 0, 2}, ""},
		{"and makes no third", []string{"a", "a,b", "b"}, 3, []int{0, 1, 2}, "3 different"},
		{"three", []string{"a", "b", "c"}, 3, []int{2, 1, 0}, ""},
		{"two lines for one key", []string{"a", "b", "c", "d", "b"}, 2, []int{0, 1}, "may be the same person"},
		{"another namespace", []string{`a namespaces="satchel-drive"`}, 1, []int{0}, `not allowed to sign for "satchel-bundle"`},
		{"one line of two fits", []string{`a namespaces="satchel-drive"`, "b", "c", "d", "a"}, 1, []int{0}, ""},
		{"expired", []string{`a valid-before="20260601Z"`}, 1, []int{0}, "its key was valid only until 2026-06-01 00:00 UTC, and this is of 2026-06-01 12:00 UTC"},
		{"not yet", []string{`a valid-after="20260602Z"`}, 1, []int{0}, "its key is valid only from 2026-06-02 00:00 UTC"},
		{"valid that day", []string{`a valid-after="20260601Z",valid-before="20260602Z"`}, 1, []int{0}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var file string
			for n, line := range tt.lines {
				file += line + " " + signers[n%4].line() + "\n"
			}
			trust, err := LoadTrust([]string{writeFile(t, t.TempDir(), "signers", file)}, tt.need)
			if err != nil {
				t.Fatal(err)
			}
			var given []Signature
			for _, n := range tt.by {
				given = append(given, sigs[n])
			}
			signed, err := trust.Check(BundleNamespace, []byte("m"), given, at)
			if tt.want == "" {
				if err != nil || len(signed) < tt.need {
					t.Errorf("%v, %v", signed, err)
				}
				return
			}
			var bad *TrustError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || !bad.Permanent() || bad.Hint() == "" {
				t.Errorf("error %v, expected one with %q", err, tt.want)
			}
		})
	}
}

// TestSignatureOf: a signature is of its message, for its purpose, by a key of ed25519, and
// alone in its file.
func TestSignatureOf(t *testing.T) {
	t.Parallel()
	signer := testSigner(t, 1)
	good := testSignature(t, signer, BundleNamespace, "m")
	body := string(good.Body)
	tests := []struct{ name, body, namespace, message, want string }{
		{"good", body, BundleNamespace, "m", ""},
		{"line ends of DOS", strings.ReplaceAll(body, "\n", "\r\n"), BundleNamespace, "m", ""},
		{"no line end", strings.TrimSpace(body), BundleNamespace, "m", ""},
		{"another message", body, BundleNamespace, "n", "other bytes"},
		{"another namespace", body, DriveNamespace, "m", `for "satchel-bundle", not for "satchel-drive"`},
		{"empty", "", BundleNamespace, "m", "no OpenSSH signature"},
		{"two", body + body, BundleNamespace, "m", "no OpenSSH signature"},
		{"something before it", "x\n" + body, BundleNamespace, "m", "no OpenSSH signature"},
		{"something after it", body + "x\n", BundleNamespace, "m", "no OpenSSH signature"},
		{"a header", strings.Replace(body, "\n", "\nA: b\n\n", 1), BundleNamespace, "m", "no OpenSSH signature"},
		{"cut", body[:100] + "\n" + armorEnd, BundleNamespace, "m", "signature"},
		{"large", body + strings.Repeat("\n", MaxFile), BundleNamespace, "m", "larger"},
	}
	for _, tt := range tests {
		key, err := Signature{"f", []byte(tt.body)}.Of(tt.namespace, []byte(tt.message))
		if tt.want == "" && (err != nil || key != signer.Fingerprint()) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %q, %v", tt.name, key, err)
		}
	}
	for i := range good.Body { // any byte that is not white space matters, or is no part of what is signed
		changed := []byte(body)
		changed[i] ^= 1
		if key, err := (Signature{"f", changed}).Of(BundleNamespace, []byte("m")); err == nil && key != signer.Fingerprint() {
			t.Errorf("byte %d changed: signed by %s", i, key)
		}
	}
}

// FuzzSignature: whatever stands in a signature file, reading it does no harm.
func FuzzSignature(f *testing.F) {
	f.Add([]byte(armorBegin + "U1NIU0lHAAAAAQ==\n" + armorEnd))
	f.Fuzz(func(t *testing.T, body []byte) {
		if key, err := (Signature{"f", body}).Of(BundleNamespace, []byte("m")); err == nil {
			t.Errorf("signed by %s", key)
		}
	})
}
