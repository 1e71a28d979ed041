package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestStatement: what verify writes down of a bundle that is whole, damaged and not trusted, and that others can check
// who signed it.
func TestStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	drive := filepath.Join(w.dir, "b")
	if err := os.CopyFS(drive, os.DirFS("../../testdata/vectors/4baf0f7/signed/bundle")); err != nil {
		t.Fatal(err)
	}
	key := keystest.SSHKey(t, "ed25519", "")
	pub := keystest.Public(t, key)
	allowed := filepath.Join(w.dir, "signers")
	if err := os.WriteFile(allowed, []byte("gate "+pub+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.dir, "gate.json")
	state := func(code int, args ...string) (s struct {
		Result, Error, Version, Began string
		Exit                          int
		Asked                         askedFor
		Files                         []struct{ Name, SHA256 string }
		Report                        *struct {
			Fingerprint string
			Faults      []struct{ File string }
		}
	}) {
		w.run(append([]string{"verify", "--statement", file, "--sign-key", key}, append(args, drive)...)...).want(code)
		if err := json.Unmarshal(readFile(t, file), &s); err != nil || s.Exit != code || s.Version == "" || s.Began == "" {
			t.Errorf("%+v, %v", s, err)
		}
		checkStatementSigned(t, file, allowed, pub)
		return s
	}
	if s := state(exitOK); s.Result != resultWhole || len(s.Files) == 0 || len(s.Files[0].SHA256) != 64 || len(s.Report.Fingerprint) != 64 {
		t.Errorf("whole: %+v", s)
	}
	if s := state(exitDamaged, "--trust", allowed); s.Result != resultRefused || len(s.Asked.Trust) != 1 || s.Asked.Signatures != 1 || !strings.Contains(s.Error, "not trusted") {
		t.Errorf("not trusted: %+v", s)
	}
	segments, err := filepath.Glob(drive + "/s-*.age")
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	body := readFile(t, segments[0])
	body[len(body)/2] ^= 1
	if err := os.WriteFile(segments[0], body, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := state(exitDamaged); s.Result != resultFailed || len(s.Report.Faults) == 0 || s.Report.Faults[0].File != filepath.Base(segments[0]) {
		t.Errorf("damaged: %+v", s)
	}
	w.run("verify", "--statement", filepath.Join(drive, "x.json"), drive).want(exitUsage).says("nothing is written there")
	w.run("verify", "--sign-key", key, drive).want(exitUsage).says("there is no --statement")
}

// checkStatementSigned checks the signature by ssh-keygen, and the envelope by ed25519 alone.
func checkStatementSigned(t *testing.T, file, allowed, pub string) {
	t.Helper()
	cmd := proctest.Command(t, keystest.Program(t, "ssh-keygen"), "-Y", "verify", "-f", allowed, "-I", "gate", "-n", "satchel-statement", "-s", file+".sig")
	cmd.Stdin = bytes.NewReader(readFile(t, file))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var e envelope
	if err := json.Unmarshal(readFile(t, file+".dsse.json"), &e); err != nil || len(e.Signatures) != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	payload, perr := base64.StdEncoding.DecodeString(e.Payload)
	sig, serr := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
	parsed, _, _, _, kerr := ssh.ParseAuthorizedKey([]byte(pub))
	if perr != nil || serr != nil || kerr != nil {
		t.Fatal(perr, serr, kerr)
	}
	raw := parsed.(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey)
	if !ed25519.Verify(raw, fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(payload), payload), sig) {
		t.Error("the envelope's signature is not of its payload")
	}
	var st struct {
		Type      string `json:"_type"`
		Subject   []subject
		Predicate json.RawMessage
	}
	var predicate, plain bytes.Buffer
	if err := json.Unmarshal(payload, &st); err != nil || st.Type != inTotoType || len(st.Subject) == 0 {
		t.Errorf("%+v, %v", st, err)
	}
	if json.Compact(&predicate, st.Predicate) != nil || json.Compact(&plain, readFile(t, file)) != nil || predicate.String() != plain.String() {
		t.Errorf("the predicate is another one than the statement")
	}
}

// TestStatementInTheWay: what an earlier run wrote does not stay beside what this one finds, and a link
// is not written through.
func TestStatementInTheWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	drive, file := filepath.Join(w.dir, "b"), filepath.Join(w.dir, "gate.json")
	if err := os.CopyFS(drive, os.DirFS("../../testdata/vectors/4baf0f7/signed/bundle")); err != nil {
		t.Fatal(err)
	}
	keys := []string{"--sign-key", keystest.SSHKey(t, "ed25519", ""), "--sign-key", keystest.SSHKey(t, "ed25519", "")}
	w.run(append([]string{"verify", "--statement", file, drive}, keys...)...).want(exitOK)
	w.run("verify", "--statement", file, drive).want(exitOK)
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) != 1 {
		t.Errorf("%q, %v", left, err)
	}
	seal := filepath.Join(drive, "bundle.json")
	before := readFile(t, seal)
	for _, name := range []string{file + ".dsse.json", file + ".2.sig", file} {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(seal, name); err != nil {
			t.Fatal(err)
		}
		if got := w.run(append([]string{"verify", "--statement", file, drive}, keys...)...).want(exitUsage); !strings.Contains(got.stderr, name+" is there, and is no regular file") {
			t.Errorf("%s: %s", name, got.stderr)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(readFile(t, seal), before) {
		t.Error("the seal has changed")
	}
}

// TestEnvelopeByOpenSSL runs the lines of docs/signatures.md that check an envelope.
func TestEnvelopeByOpenSSL(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	w := newWorld(t)
	key := keystest.SSHKey(t, "ed25519", "")
	for name, body := range map[string]string{"gate.key": string(readFile(t, key)), "gate.key.pub": keystest.Public(t, key) + "\n"} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(w.dir, "b"), os.DirFS("../../testdata/vectors/4baf0f7/signed/bundle")); err != nil {
		t.Fatal(err)
	}
	w.run("verify", "--statement", filepath.Join(w.dir, "gate.json"), "--sign-key", filepath.Join(w.dir, "gate.key"), filepath.Join(w.dir, "b")).want(exitOK)
	var lines string
	for i, block := range strings.Split(string(readFile(t, "../../docs/signatures.md")), "```\n") {
		if i%2 == 1 && strings.Contains(block, "openssl pkeyutl") {
			lines = block
		}
	}
	check := func() (string, error) {
		cmd := proctest.Command(t, "bash", "-ec", lines)
		cmd.Dir = w.dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil || !strings.Contains(out, "Verified Successfully") {
		t.Errorf("%v: %s", err, out)
	}
	other := keystest.Public(t, keystest.SSHKey(t, "ed25519", ""))
	if err := os.WriteFile(filepath.Join(w.dir, "gate.key.pub"), []byte(other+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil {
		t.Errorf("another key: %s", out)
	}
}
