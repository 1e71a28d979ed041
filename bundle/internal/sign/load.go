package sign

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/oci/text"
)

// maxKeyFile is the largest key file that is read.
const maxKeyFile = 64 << 10

// UI is how a person is asked for a passphrase, and told what is waited for.
type UI struct {
	Ask func(prompt string) (string, error)
	Say func(message string)
}

// Load makes a signer of a file: an OpenSSH private key, for whose passphrase ui is asked if
// it has one, or a public key whose private half is in the agent that listens at the socket.
// It signs something once, so that whatever stands in the way shows now. The error is a
// *[SignerError].
func Load(ctx context.Context, file, socket string, ui UI) (*Signer, error) {
	body, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	var s *Signer
	if block, _ := pem.Decode(body); block != nil {
		s, err = ofPrivate(file, body, block, ui)
	} else {
		s, err = ofPublic(file, body, socket, ui.Say)
	}
	if err == nil {
		_, err = s.Sign(ctx, "satchel-test", []byte("a test of this key\n"))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readKeyFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &SignerError{File: file, Err: err, Input: true, hint: signerHint}
	}
	body, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err = errors.Join(err, f.Close()); err == nil && len(body) > maxKeyFile {
		err = errors.New("it is too large for a key")
	}
	if err != nil {
		return nil, &SignerError{File: file, Err: err, Input: true, hint: signerHint}
	}
	return body, nil
}

// typeError refuses a key by the name of its type.
func typeError(file, keyType string) error {
	err := fmt.Errorf("it is a key of type %s, and only those of ssh-ed25519 sign here", text.Printable(keyType))
	return &SignerError{File: file, Err: err, Input: true, hint: signerHint}
}

func notAKey(file string) error {
	return &SignerError{File: file, Err: errors.New("it is no OpenSSH key"), Input: true, hint: signerHint}
}

// ofPrivate makes a signer of a private key.
func ofPrivate(file string, body []byte, block *pem.Block, ui UI) (*Signer, error) {
	if t := typeOf(block); t != "" && t != ssh.KeyAlgoED25519 {
		return nil, typeError(file, t) // before a passphrase is asked for
	}
	raw, err := ssh.ParseRawPrivateKey(body)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if raw, err = unlock(file, body, ui); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, notAKey(file)
	}
	if p, ok := raw.(*ed25519.PrivateKey); ok {
		raw = *p
	}
	key, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, notAKey(file)
	}
	if t := key.PublicKey().Type(); t != ssh.KeyAlgoED25519 {
		return nil, typeError(file, t)
	}
	use := func(_ context.Context, sign func(ssh.Signer) error) error { return sign(key) }
	return &Signer{file: file, pub: key.PublicKey(), sign: use}, nil
}

// unlock asks for the passphrase, once.
func unlock(file string, body []byte, ui UI) (any, error) {
	passphrase, err := ui.Ask("Passphrase of the signing key " + text.Printable(file) + ": ")
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		return nil, &SignerError{File: file, Err: noAnswerError{err}, hint: "run it on a terminal, or add the key to ssh-agent and give its .pub file"}
	}
	raw, err := ssh.ParseRawPrivateKeyWithPassphrase(body, []byte(passphrase))
	if passphrase == "" || errors.Is(err, x509.IncorrectPasswordError) {
		return nil, &SignerError{File: file, Err: errors.New("the passphrase is wrong"), hint: "run the same command again with the right passphrase"}
	}
	if err != nil {
		return nil, &SignerError{File: file, Err: fmt.Errorf("it cannot be decrypted: %w", err), Input: true, hint: signerHint}
	}
	return raw, nil
}

// noAnswerError keeps the hint of an error from being given where ours is.
type noAnswerError struct{ err error }

func (e noAnswerError) Error() string { return "its passphrase is needed: " + e.err.Error() }

// typeOf is the type of an OpenSSH private key, which stands before what is encrypted
// (PROTOCOL.key), "" if it cannot be told.
func typeOf(block *pem.Block) string {
	const magic = "openssh-key-v1\x00"
	switch {
	case block.Type == "RSA PRIVATE KEY":
		return ssh.KeyAlgoRSA
	case block.Type == "EC PRIVATE KEY":
		return "ecdsa"
	case block.Type == "DSA PRIVATE KEY":
		return "ssh-dss"
	case block.Type != "OPENSSH PRIVATE KEY" || len(block.Bytes) < len(magic) || string(block.Bytes[:len(magic)]) != magic:
		return ""
	}
	var head struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public               []byte
		Rest                 []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(block.Bytes[len(magic):], &head) != nil {
		return ""
	}
	var public struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(head.Public, &public) != nil {
		return ""
	}
	return public.Type
}
