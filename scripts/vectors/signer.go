package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// addSigner makes an OpenSSH key, and a line for it in a file of allowed signers.
func addSigner(key, allowed string) error {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	line, err := ssh.NewPublicKey(pub)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(allowed, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s@example.com %s", filepath.Base(key), ssh.MarshalAuthorizedKey(line))
	return errors.Join(err, f.Close())
}
