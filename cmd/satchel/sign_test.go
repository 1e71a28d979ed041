package main

import (
	"os"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// TestSignKeyPassphrase: the passphrase of a signing key is asked for on the terminal, before
// anything is written; a wrong one, an interruption and nobody to ask are found there.
func TestSignKeyPassphrase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	drive, key := b.drive("drive"), b.drive("key.txt")
	code, said := b.run("keygen", "--file", key)
	want(t, "keygen", code, exitOK, said)
	ssh := keystest.SSHKey(t, "ed25519", "hunter2")
	pack := b.pack(drive, "-r", strings.TrimSpace(said), "--yes", "--sign-key", ssh)

	code, said = b.typed([]string{"hunter3\r"}, pack...)
	want(t, "a wrong passphrase", code, exitKey, said, "the passphrase is wrong")
	code, said = b.typed([]string{"hun\x03"}, pack...)
	want(t, "Ctrl-C", code, exitInterrupted, said, "interrupted")
	code, said = b.run(pack...)
	want(t, "nobody to ask", code, exitKey, said, "its passphrase is needed", "ssh-agent")
	if _, err := os.Stat(drive); err == nil {
		t.Error("something was written before the key could sign")
	}
	code, said = b.typed([]string{"hunter2\r"}, pack...)
	want(t, "pack", code, exitOK, said)

	second := keystest.SSHKey(t, "ed25519", "hunter4")
	code, said = b.typed([]string{"hunter4\r"}, "sign", "--sign-key", second, drive)
	want(t, "sign", code, exitOK, said, "bundle.json.2.sig")
	allowed := keystest.Write(t, "one "+keystest.Public(t, ssh)+"\ntwo "+keystest.Public(t, second)+"\n")
	code, said = b.run("verify", "--trust", allowed, "--signatures", "2", drive)
	want(t, "verify", code, exitOK, said, "(one)", "(two)")
}
