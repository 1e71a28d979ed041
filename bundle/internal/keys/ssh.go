package keys

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

// sshTypeError says that an SSH key is valid and cannot be encrypted to.
type sshTypeError struct{ keyType string }

func (e *sshTypeError) Error() string {
	return fmt.Sprintf("SSH keys of type %s cannot be encrypted to, only ssh-ed25519 and ssh-rsa", e.keyType)
}

// parseSSH reads a line of authorized_keys (sshd(8)), options and comment too.
func parseSSH(s string) (Recipient, error) {
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s))
	if err != nil {
		return Recipient{}, errors.New("this is no recipient: recipients begin with age1, ssh-ed25519 or ssh-rsa")
	}
	var r age.Recipient
	switch pub.Type() {
	case ssh.KeyAlgoED25519:
		r, err = agessh.NewEd25519Recipient(pub)
	case ssh.KeyAlgoRSA:
		r, err = agessh.NewRSARecipient(pub)
	default:
		return Recipient{}, &sshTypeError{pub.Type()}
	}
	if err != nil {
		return Recipient{}, fmt.Errorf("recipient %q: %w", shorten(s), err)
	}
	return Recipient{Text: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))), kind: classic, key: r}, nil
}

// parseSSHIdentity reads an SSH private key. public gives the public key, for
// old encrypted files that do not hold it.
func parseSSHIdentity(name string, pem []byte, ui *UI, public func() ([]byte, error)) (Identity, error) {
	key, err := agessh.ParseIdentity(pem)
	if err == nil {
		return Identity{name: name, key: key}, nil
	}
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		return Identity{}, errors.New("it is not an SSH key that can be decrypted with; those are ssh-ed25519 and ssh-rsa")
	}
	pub := locked.PublicKey
	if pub == nil {
		body, err := public()
		if err != nil {
			return Identity{}, fmt.Errorf("its public key is needed next to it: %w", err)
		}
		if pub, _, _, _, err = ssh.ParseAuthorizedKey(body); err != nil {
			return Identity{}, errors.New("its public key, in the .pub file next to it, cannot be read")
		}
	}
	asked := sync.OnceValues(func() (string, error) { return ui.ask("Passphrase of the SSH key "+name+": ", true) })
	inner, err := agessh.NewEncryptedSSHIdentity(pub, pem, func() ([]byte, error) {
		s, err := asked()
		return []byte(s), err
	})
	if err != nil {
		return Identity{}, &sshTypeError{pub.Type()}
	}
	return Identity{name: name, cost: asksOnMatch, key: &lockedSSH{inner, asked, false}}, nil
}

// lockedSSH keeps what age loses: why there is no passphrase.
type lockedSSH struct {
	*agessh.EncryptedSSHIdentity
	asked  func() (string, error)
	failed bool
}

func (l *lockedSSH) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if l.failed {
		return nil, age.ErrIncorrectIdentity
	}
	key, err := l.EncryptedSSHIdentity.Unwrap(stanzas)
	if err == nil || errors.Is(err, age.ErrIncorrectIdentity) {
		return key, err
	}
	l.failed = true
	if _, aerr := l.asked(); aerr != nil {
		return nil, aerr
	}
	if strings.Contains(err.Error(), "bcrypt KDF rounds") { // the library has no type for it
		return nil, fmt.Errorf("it asks for too many rounds of bcrypt (%w): write it again with ssh-keygen -p -a 16", err)
	}
	return nil, errors.New("wrong passphrase, or not the key that its public half says")
}
