package sign

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/oci/text"
)

// What signatures are for: one that is made for one thing does not pass for another.
const (
	BundleNamespace  = "satchel-bundle"  // of bundle.json
	DriveNamespace   = "satchel-drive"   // of drive.json
	ReceiptNamespace = "satchel-receipt" // of a receipt

	StatementNamespace = "satchel-statement" // of what verify has found
)

// MaxFile is the largest signature file that is read, in bytes.
const MaxFile = 16 << 10

// Signature is a signature file: an armored OpenSSH signature.
type Signature struct {
	File string // its name, for messages
	Body []byte
}

// Of gives the fingerprint of the key that made the signature (SHA256:...), as ssh-keygen -l
// has it. The signature must be of the message, under the namespace, and by the ed25519 key
// that stands in it: that says nothing about whose key it is.
func (s Signature) Of(namespace string, message []byte) (key string, err error) {
	pub, err := s.check(namespace, message)
	if err != nil {
		return "", err
	}
	return ssh.FingerprintSHA256(pub), nil
}

// check verifies the signature by its own key.
func (s Signature) check(namespace string, message []byte) (ssh.PublicKey, error) {
	sig, err := parse(s.Body)
	if err != nil {
		return nil, err
	}
	if t := sig.PublicKey.Type(); t != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("it was made by a key of type %s, and only those of ssh-ed25519 count", text.Printable(t))
	}
	if sig.Namespace != namespace {
		return nil, fmt.Errorf("it is a signature for %q, not for %q", text.Printable(sig.Namespace), namespace)
	}
	if err := sshsig.Verify(bytes.NewReader(message), sig, sig.PublicKey, sig.HashAlgorithm, namespace); err != nil {
		return nil, errors.New("it was made of other bytes, or has changed")
	}
	return sig.PublicKey, nil
}

const (
	armorBegin = "-----BEGIN SSH SIGNATURE-----\n"
	armorEnd   = "-----END SSH SIGNATURE-----\n"
)

// parse reads one signature and nothing else: ssh-keygen reads one a file.
func parse(body []byte) (*sshsig.Signature, error) {
	if len(body) > MaxFile {
		return nil, fmt.Errorf("it is larger than %d bytes", MaxFile)
	}
	s := strings.ReplaceAll(string(body), "\r\n", "\n")
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	if !strings.HasPrefix(s, armorBegin) || !strings.HasSuffix(s, armorEnd) || strings.Count(s, "-----BEGIN") != 1 {
		return nil, errors.New("it is no OpenSSH signature")
	}
	block, rest := pem.Decode([]byte(s))
	if block == nil || len(rest) > 0 || len(block.Headers) > 0 || block.Type != sshsig.PEMType {
		return nil, errors.New("it is no OpenSSH signature")
	}
	sig, err := sshsig.ParseSignature(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it is no valid OpenSSH signature: %w", err)
	}
	return sig, nil
}

// Signer makes signatures by one key. What makes them is asked each time: an agent may
// want its owner to agree.
type Signer struct {
	file string
	pub  ssh.PublicKey
	sign func(ctx context.Context, by func(ssh.Signer) error) error
}

// Fingerprint is that of the key, SHA256:..., as ssh-keygen -l has it.
func (s *Signer) Fingerprint() string { return ssh.FingerprintSHA256(s.pub) }

// File is where the key was named: a private key, or the public half of one in ssh-agent.
func (s *Signer) File() string { return s.file }

// Sign gives the armored signature of a message under a namespace. It was verified. The error
// is a *[SignerError].
func (s *Signer) Sign(ctx context.Context, namespace string, message []byte) ([]byte, error) {
	var body []byte
	err := s.sign(ctx, func(key ssh.Signer) error {
		sig, err := sshsig.Sign(bytes.NewReader(message), key, sshsig.HashSHA512, namespace)
		if err == nil {
			body = sshsig.Armor(sig)
		}
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, asSignerError(s.file, err)
	}
	key, err := Signature{Body: body}.Of(namespace, message)
	if err == nil && key != s.Fingerprint() {
		err = fmt.Errorf("it was made by another key, %s", key)
	}
	if err != nil {
		return nil, &SignerError{File: s.file, Err: fmt.Errorf("the signature that was made does not verify: %w", err), hint: "the private half is not that of this public key: give another key"}
	}
	return body, nil
}

// SignRaw gives the signature of a message by ed25519 alone (RFC 8032), without the form of OpenSSH
// around it, as envelopes of DSSE have it. It was verified. The error is a *[SignerError].
func (s *Signer) SignRaw(ctx context.Context, message []byte) ([]byte, error) {
	var made *ssh.Signature
	err := s.sign(ctx, func(key ssh.Signer) (err error) {
		made, err = key.Sign(rand.Reader, message)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, asSignerError(s.file, err)
	}
	if err := s.pub.Verify(message, made); err != nil {
		return nil, &SignerError{File: s.file, Err: fmt.Errorf("the signature that was made does not verify: %w", err), hint: "the private half is not that of this public key: give another key"}
	}
	return made.Blob, nil
}

// StandIn is a signer whose signatures are as long as those of others. They are worth nothing.
func StandIn() *Signer {
	key, _ := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))) // never fails for such a key
	use := func(_ context.Context, sign func(ssh.Signer) error) error { return sign(key) }
	return &Signer{file: "a stand-in", pub: key.PublicKey(), sign: use}
}
