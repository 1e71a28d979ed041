package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// TestBestCopyTrusted: signatures of strangers draw nobody to their copy of a bundle.
func TestBestCopyTrusted(t *testing.T) {
	t.Parallel()
	drive := t.TempDir()
	signers, public := []*bundle.Signer{}, []string{}
	for range 3 {
		file := keystest.SSHKey(t, "ed25519", "")
		s, err := bundle.LoadSigner(t.Context(), file, nil)
		if err != nil {
			t.Fatal(err)
		}
		signers, public = append(signers, s), append(public, keystest.Public(t, file))
	}
	for name, by := range map[string][]*bundle.Signer{"a": signers[1:], "b": signers[:1]} {
		if err := os.CopyFS(filepath.Join(drive, name), os.DirFS("../../testdata/vectors/e944b6d/x25519/bundle")); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Sign(t.Context(), filepath.Join(drive, name), bundle.Wanted{}, by, "test"); err != nil {
			t.Fatal(err)
		}
	}
	trust, err := bundle.LoadTrust([]string{keystest.Write(t, "me "+public[0]+"\n")}, 1)
	if err != nil {
		t.Fatal(err)
	}
	both, err := bundle.LoadTrust([]string{keystest.Write(t, "me "+public[1]+"\nyou "+public[2]+"\n")}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for want, trust := range map[string]*bundle.Trust{"b": trust, "a": both} {
		var said bytes.Buffer
		got, err := (&app{stderr: &said}).choose(t.Context(), []string{drive}, wanted{trust: trust})
		if err != nil || len(got) != 1 || filepath.Base(got[0]) != want {
			t.Errorf("%q is taken, want %s: %v\n%s", got, want, err, &said)
		}
	}
}
