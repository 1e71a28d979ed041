package bundle

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
)

// Recipient is a public key that may open a bundle, or a passphrase.
type Recipient = keys.Recipient

// Identity is a secret that may open a bundle.
type Identity = keys.Identity

// Passphrase opens a bundle, or will: see its Identity and Recipient.
type Passphrase = keys.Passphrase

// UI is how a person is asked for a passphrase, or by a plugin; nil for nobody.
type UI = keys.UI

// GenerateKey makes an identity, X25519 or post-quantum, and gives it and its
// recipient as age writes them.
func GenerateKey(postQuantum bool) (identity, recipient string, err error) {
	return keys.Generate(postQuantum)
}

// ParseRecipients reads recipients: of age, of age plugins, and SSH public keys;
// and files of them, one a line, # comments, as in authorized_keys. Those known
// to be post-quantum and classic together are a *[MixedError].
func ParseRecipients(texts, files []string, ui *UI) ([]Recipient, error) {
	var list []Recipient
	for _, s := range texts {
		r, err := keys.ParseRecipient(strings.TrimSpace(s), ui)
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
		found, err := keys.ReadRecipients(f, ui)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read recipients file %s: %w", name, err)
		}
		list = append(list, found...)
	}
	return list, keys.CheckMix(list)
}

// ReadIdentities reads identity files of age and its plugins, also when a
// passphrase encrypts them, and SSH private keys. ui is asked later, if it must be.
func ReadIdentities(files []string, ui *UI) ([]Identity, error) {
	var list []Identity
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		ids, err := keys.ReadIdentities(name, f, ui, func() ([]byte, error) { return keys.ReadPublic(name + ".pub") })
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read key %s: %w", name, err)
		}
		list = append(list, ids...)
	}
	return list, nil
}

// ReadPassphrase takes a passphrase from the first line of a file.
func ReadPassphrase(file string) (Passphrase, error) {
	f, err := os.Open(file)
	if err != nil {
		return Passphrase{}, fmt.Errorf("read passphrase: %w", err)
	}
	p, err := keys.ReadPassphrase(file, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return Passphrase{}, fmt.Errorf("read passphrase file %s: %w", file, err)
	}
	return p, nil
}

// AskPassphrase gives a passphrase that ui is asked for when it is needed, once;
// twice if it is new, to find typing errors.
func AskPassphrase(ui *UI, prompt string, isNew bool) Passphrase {
	return keys.AskPassphrase(ui, prompt, isNew)
}
