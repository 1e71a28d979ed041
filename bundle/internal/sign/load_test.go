package sign

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

func answer(s string, err error) UI {
	return UI{Ask: func(string) (string, error) { return s, err }, Say: func(string) {}}
}

func typed(s string) UI { return answer(s, nil) }

// TestLoadPrivate: keys as ssh-keygen writes them, and what is refused.
func TestLoadPrivate(t *testing.T) {
	t.Parallel()
	nobody := answer("", errors.New("there is nobody to ask"))
	plain := keystest.SSHKey(t, "ed25519", "")
	locked := keystest.SSHKey(t, "ed25519", "correct horse")
	rsa := keystest.SSHKey(t, "rsa", "", "-b", "2048")
	lockedRSA := keystest.SSHKey(t, "rsa", "secret", "-b", "2048")
	ecdsa := keystest.SSHKey(t, "ecdsa", "")
	tests := []struct {
		name, file string
		ask        UI
		input      bool
		want       string
	}{
		{"plain", plain, nobody, false, ""},
		{"right passphrase", locked, typed("correct horse"), false, ""},
		{"wrong passphrase", locked, typed("battery"), false, "the passphrase is wrong"},
		{"empty passphrase", locked, typed(""), false, "passphrase"},
		{"nobody to ask", locked, nobody, false, "its passphrase is needed: there is nobody"},
		{"RSA", rsa, nobody, true, "type ssh-rsa"},
		{"RSA with a passphrase, which is not asked for", lockedRSA, nobody, true, "type ssh-rsa"},
		{"ECDSA", ecdsa, nobody, true, "type ecdsa-sha2-nistp256"},
		{"public RSA", rsa + ".pub", nobody, true, "type ssh-rsa"},
		{"public ECDSA", ecdsa + ".pub", nobody, true, "type ecdsa"},
		{"public FIDO", keystest.Write(t, "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIEs6QQGkt1fmcr6ylFc/gIMYtkTAkxTpAp2wwLUTp+frAAAABHNzaDo="), nobody, true, "type sk-ssh-ed25519@openssh.com"},
		{"age key", keystest.Write(t, "AGE-SECRET-KEY-1QQQ\n"), nobody, true, "no OpenSSH key"},
		{"empty", keystest.Write(t, ""), nobody, true, "no OpenSSH key"},
		{"certificate of TLS", keystest.Write(t, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), nobody, true, "no OpenSSH key"},
		{"two public keys", keystest.Write(t, alice+"\n"+alice+"\n"), nobody, true, "no OpenSSH key"},
		{"public key without an agent", plain + ".pub", nobody, false, "no ssh-agent"},
		{"missing", filepath.Join(t.TempDir(), "none"), nobody, true, "no such file"},
		{"directory", t.TempDir(), nobody, true, "directory"},
		{"large", keystest.Write(t, strings.Repeat("x", maxKeyFile+1)), nobody, true, "too large"},
	}
	for _, tt := range tests {
		s, err := Load(t.Context(), tt.file, "", tt.ask)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else if sig, err := s.Sign(t.Context(), BundleNamespace, []byte("m")); err != nil || s.File() != tt.file {
				t.Errorf("%s: %v", tt.name, err)
			} else if key, err := (Signature{"f", sig}).Of(BundleNamespace, []byte("m")); err != nil || key != s.Fingerprint() {
				t.Errorf("%s: %s, %v", tt.name, key, err)
			}
			continue
		}
		var bad *SignerError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || bad.Input != tt.input || bad.Hint() == "" || !strings.Contains(err.Error(), tt.file) {
			t.Errorf("%s: %v (input %t), expected %q", tt.name, err, bad != nil && bad.Input, tt.want)
		}
	}
}

// TestLoadAgent: the private half is in an agent, which may be away, locked, without it, or
// never answer.
func TestLoadAgent(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	file := keystest.Write(t, testSigner(t, 0).line()+" me@here\n")
	ring := agent.NewKeyring()
	socket := keystest.Agent(t, ring)
	check := func(socket, want string) {
		t.Helper()
		s, err := Load(t.Context(), file, socket, typed(""))
		if want == "" {
			if err != nil || s.Fingerprint() != testSigner(t, 0).Fingerprint() {
				t.Errorf("%v", err)
			}
			return
		}
		var bad *SignerError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || bad.Input || bad.Permanent() || bad.Hint() == "" {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	check(socket, "does not have its private half")
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	check(socket, "")
	if err := ring.Lock([]byte("x")); err != nil {
		t.Fatal(err)
	}
	check(socket, "does not have its private half")
	check(filepath.Join(t.TempDir(), "none"), "reach ssh-agent")

	silent, err := net.Listen("unix", filepath.Join(filepath.Dir(socket), "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Load(ctx, file, silent.Addr().String(), typed("")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an agent that never answers: %v", err)
	}
	said := make(chan string, 1)
	ctx, cancel = context.WithCancel(t.Context())
	slow := agentKey{file: file, socket: silent.Addr().String(), pub: testSigner(t, 0).pub, patience: time.Millisecond, say: func(s string) { said <- s; cancel() }}
	if err := slow.use(ctx, nil); err == nil || !strings.Contains(<-said, "waiting for ssh-agent to sign with "+file) {
		t.Errorf("an agent that is slow: %v", err)
	}
}

// TestOtherPrivateHalf: a public key that is not that of the private key in the agent's hands
// makes no signature that passes.
func TestOtherPrivateHalf(t *testing.T) {
	t.Parallel()
	s := testSigner(t, 1)
	s.pub = testSigner(t, 2).pub
	if _, err := s.Sign(t.Context(), BundleNamespace, []byte("m")); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("error %v", err)
	}
}
