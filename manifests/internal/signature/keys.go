package signature

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// MaxKeys is the size of the largest file of keys that is read, in bytes.
const MaxKeys = 1 << 20

// published are the keys that Red Hat signs releases with, as the ConfigMap
// release-verification of a cluster has them; each file names its source.
//
//go:embed keys/*.asc
var published embed.FS

// Keyring is the keys that are trusted to sign releases.
type Keyring struct{ keys openpgp.EntityList }

// RedHat gives Red Hat's release key 2 and beta key 2.
func RedHat() (Keyring, error) {
	var ring Keyring
	for _, name := range []string{"redhat-release-2", "redhat-beta-2"} {
		body, err := published.ReadFile("keys/" + name + ".asc")
		if err != nil {
			return Keyring{}, fmt.Errorf("read key %s: %w", name, err)
		}
		one, err := ParseKeys(body)
		if err != nil {
			return Keyring{}, fmt.Errorf("read key %s: %w", name, err)
		}
		ring.keys = append(ring.keys, one.keys...)
	}
	return ring, nil
}

var beginArmor = []byte("-----BEGIN PGP ")

// ParseKeys reads public keys: armoured blocks, one after the other, or one binary
// ring. A part that is no public key is an error.
func ParseKeys(data []byte) (Keyring, error) {
	var ring Keyring
	switch {
	case len(data) > MaxKeys:
		return ring, fmt.Errorf("it has more than %d bytes", MaxKeys)
	case !bytes.Contains(data, beginArmor):
		return ring, ring.add(openpgp.ReadKeyRing(bytes.NewReader(data)))
	}
	for rest := data; ; {
		i := bytes.Index(rest, beginArmor)
		if i < 0 {
			return ring, nil
		}
		rest = rest[i:]
		end := len(rest)
		if j := bytes.Index(rest[1:], beginArmor); j >= 0 {
			end = j + 1
		}
		block, err := armor.Decode(bytes.NewReader(rest[:end]))
		if err != nil {
			return Keyring{}, fmt.Errorf("it is not an armoured OpenPGP key: %w", err)
		}
		if block.Type != openpgp.PublicKeyType {
			return Keyring{}, fmt.Errorf("it has a %.64q, not a public key", block.Type)
		}
		if err := ring.add(openpgp.ReadKeyRing(block.Body)); err != nil {
			return Keyring{}, err
		}
		rest = rest[end:]
	}
}

// With is the keyring with those of another too.
func (k Keyring) With(other Keyring) Keyring {
	return Keyring{slices.Concat(k.keys, other.keys)}
}

func (k *Keyring) add(keys openpgp.EntityList, err error) error {
	if err != nil {
		return fmt.Errorf("it is not an OpenPGP public key: %w", err)
	}
	if len(keys) == 0 {
		return errors.New("it has no OpenPGP public key")
	}
	for _, e := range keys {
		if e.PrivateKey != nil {
			return errors.New("it has a private key; give the public one")
		}
	}
	k.keys = append(k.keys, keys...)
	return nil
}
