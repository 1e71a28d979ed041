package bundle

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
)

// Recipient is a public key that may open a bundle.
type Recipient = keys.Recipient

// Identity is a secret key.
type Identity = keys.Identity

// ErrMixedRecipients says that post-quantum and classic recipients were given together.
var ErrMixedRecipients = keys.ErrMixed

// GenerateKey makes an identity, X25519 or post-quantum, and gives it and its
// recipient as age writes them.
func GenerateKey(postQuantum bool) (identity, recipient string, err error) {
	return keys.Generate(postQuantum)
}

// ParseRecipients reads recipients as age writes them, and recipients files (one
// recipient a line, # comments), and checks that they may stand together.
func ParseRecipients(texts, files []string) ([]Recipient, error) {
	var list []Recipient
	for _, s := range texts {
		r, err := keys.ParseRecipient(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read recipients file: %w", err)
		}
		found, err := keys.ReadRecipients(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read recipients file %s: %w", name, err)
		}
		list = append(list, found...)
	}
	return list, keys.CheckMix(list)
}

// ReadIdentities reads identity files as age-keygen writes them.
func ReadIdentities(files []string) ([]Identity, error) {
	var list []Identity
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		ids, err := keys.ReadIdentities(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read key %s: %w", name, err)
		}
		list = append(list, ids...)
	}
	return list, nil
}
