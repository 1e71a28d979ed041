package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
)

// Stanza types, from the C2SP age specification, agessh and the plugins' own.
const (
	stanzaX25519  = "X25519"
	stanzaHybrid  = "mlkem768x25519"
	stanzaScrypt  = "scrypt"
	stanzaEd25519 = "ssh-ed25519"
	stanzaRSA     = "ssh-rsa"
)

// kinds says which stanza types are what; the plugins' own, as age does, from
// those that are in common use.
var kinds = map[string]kind{
	stanzaX25519: classic, stanzaEd25519: classic, stanzaRSA: classic, "p256tag": classic, "piv-p256": classic,
	stanzaHybrid: postQuantum, "mlkem768p256tag": postQuantum,
	stanzaScrypt: passphrase,
}

// Header is what the header of a key file says without a key.
type Header struct{ types []string }

// Inspect reads the header of a key file. The error says what is wrong with it,
// in words that follow its name.
func Inspect(file []byte) (Header, error) {
	list, err := stanzas(file)
	if err != nil {
		return Header{}, fmt.Errorf("cannot be read: %w", err)
	}
	if why := checkScrypt(list, maxWorkFactor); why != "" {
		return Header{}, errors.New(why)
	}
	var h Header
	for _, s := range list {
		h.types = append(h.types, s.Type)
	}
	return h, nil
}

// Check says, in words that follow the file's name, what is wrong with a key
// file in a bundle whose key is post-quantum, or is not.
func (h Header) Check(bundlePostQuantum bool) error {
	for _, t := range h.types {
		if err := checkAdd(bundlePostQuantum, kinds[t]); err != nil {
			return fmt.Errorf("has recipients that cannot be mixed with others: %w", err)
		}
	}
	return nil
}

// Way is a way to open a key file with the age program.
type Way struct {
	Identity string // what follows -i; empty for a passphrase
	Note     string
}

// Ways lists how the key file can be opened, in a fixed order.
func (h Header) Ways() []Way {
	var list []Way
	add := func(ok bool, identity, note string) {
		if ok {
			list = append(list, Way{identity, note})
		}
	}
	has := func(t string) bool { return slices.Contains(h.types, t) }
	add(has(stanzaX25519) || has(stanzaHybrid), "KEY", "KEY is an age key file")
	add(has(stanzaEd25519), "~/.ssh/id_ed25519", "an SSH key")
	add(has(stanzaRSA), "~/.ssh/id_rsa", "an SSH key")
	add(h.Plugin(), "KEY", "KEY is the identity file of an age plugin, which is needed too")
	add(has(stanzaScrypt), "", "asks for the passphrase")
	return list
}

// Plugin reports whether one of the stanzas is of a plugin.
func (h Header) Plugin() bool {
	return slices.ContainsFunc(h.types, func(t string) bool {
		return !slices.Contains([]string{stanzaX25519, stanzaHybrid, stanzaScrypt, stanzaEd25519, stanzaRSA}, t)
	})
}

// IsPostQuantum reports, from the beginning of a file encrypted to a bundle key,
// whether that key is post-quantum.
func IsPostQuantum(file io.Reader) (bool, error) {
	header, err := age.ExtractHeader(io.LimitReader(file, MaxFile))
	if err != nil {
		return false, err
	}
	list, err := headerStanzas(header)
	if err != nil {
		return false, err
	}
	if len(list) == 1 && (list[0].Type == stanzaHybrid || list[0].Type == stanzaX25519) {
		return list[0].Type == stanzaHybrid, nil
	}
	return false, errors.New("it is not encrypted to a bundle key alone")
}

// stanzas gives the recipient stanzas of an age file.
func stanzas(file []byte) ([]*age.Stanza, error) {
	header, err := age.ExtractHeader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	return headerStanzas(header)
}

func headerStanzas(header []byte) ([]*age.Stanza, error) {
	var seen recorder
	_, err := age.DecryptHeader(header, &seen)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		err = nil
	}
	if err == nil && len(seen.stanzas) == 0 {
		err = errors.New("it has no recipient")
	}
	return seen.stanzas, err
}

// recorder is an identity that opens nothing and keeps what it was shown:
// age has no other way to give stanzas away.
type recorder struct{ stanzas []*age.Stanza }

func (r *recorder) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	r.stanzas = stanzas
	return nil, age.ErrIncorrectIdentity
}
