package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestSinceTrust: with --trust, pack and plan count on no receipt that nobody who is trusted has
// signed, and find each signature beside it.
func TestSinceTrust(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.images("127.0.0.1:1/team/app:v1")
	var keys []*bundle.Signer
	for _, name := range []string{"stranger", "alice"} {
		file := filepath.Join(w.dir, name)
		if out, err := proctest.Command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Skipf("ssh-keygen: %v: %s", err, out)
		}
		signer, err := bundle.LoadSigner(t.Context(), file, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, signer)
	}
	public := readFile(t, filepath.Join(w.dir, "alice.pub"))
	signers := filepath.Join(w.dir, "signers")
	if err := os.WriteFile(signers, append([]byte("alice@example.com "), public...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &receipt.Receipt{State: receipt.Done, Bundle: strings.Repeat("a", 16), Partial: true, Mirror: oci.Mirror{Host: "mirror.example"}, Time: time.Unix(1.8e9, 0)}
	one, err := (&receipt.Keeper{Signers: keys}).Seal(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := one.Body()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.dir, "came back.json")
	write := func(sigs [][]byte) {
		t.Helper()
		if err := writeReceipt(w.dir, filepath.Base(file), body, sigs); err != nil {
			t.Fatal(err)
		}
	}
	plan := func(more ...string) result {
		return w.run(append([]string{"plan", "-c", w.config, "-r", w.recipient, "--retry-times", "0", "--since", file}, more...)...)
	}
	write(nil)
	plan("--trust", signers).want(exitDamaged).says("came back.json", "it is not signed", "came back.json.sig")
	if r := plan(); !strings.Contains(r.stderr, "who wrote it was not checked") || !strings.Contains(r.stderr, "a part of the images (--only)") {
		t.Errorf("without --trust: %s", r.stderr)
	}
	write(one.Signatures()[:1])
	plan("--trust", signers).want(exitDamaged).says("no signature counts")
	write(one.Signatures())
	if r := plan("--trust", signers); r.code == exitDamaged || !strings.Contains(r.stderr, "signed by alice@example.com") {
		t.Errorf("signed by a stranger and alice: %d %s", r.code, r.stderr)
	}
	plan("--trust", signers, "--signatures", "2").want(exitDamaged).says("2 different signers are needed")
	if err := os.Remove(receipt.SignatureFile(file, 0)); err != nil { // what is not there does not hide the next
		t.Fatal(err)
	}
	if r := plan("--trust", signers); r.code == exitDamaged || !strings.Contains(r.stderr, "signed by alice@example.com") {
		t.Errorf("with a gap: %d %s", r.code, r.stderr)
	}
	for _, args := range [][]string{{"plan"}, {"plan", "--since", "last"}, {"pack", w.drive, "--since", "last"}} {
		w.run(append(args, "-c", w.config, "-r", w.recipient, "--trust", signers)...).want(exitUsage).says("--trust is for receipts")
	}
	w.run("pack", w.drive, "-c", w.config, "-r", w.recipient, "--since", file, "--trust", signers, "--signatures", "2").want(exitDamaged).says("came back.json")
	w.run("confirm", file, "--trust", signers, "--signatures", "2").want(exitDamaged).says("came back.json")
	w.run("confirm", file, "--trust", signers).want(exitUsage).says("signed by alice@example.com", "it does not say which bundle it is of")
	w.run("confirm", strings.Repeat("a", 16), "--trust", signers).want(exitUsage).says("--trust is for receipts")
}
