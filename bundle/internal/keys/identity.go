package keys

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
)

// cost says what it takes to try an identity; the cheap ones are tried first.
type cost int

const (
	free        cost = iota
	asksOnMatch      // a person, when it is the right one
	runs             // a plugin, which may ask
	asks             // a person, to find out whether it is the right one
)

// Identity is a secret that may open a bundle.
type Identity struct {
	name       string // of its file, for errors
	cost       cost
	key        age.Identity
	plugin     bool                       // key is shown the stanzas of all key files at once
	passphrase bool                       // key is a passphrase
	locked     func() ([]Identity, error) // for key: what is in the file, once it is decrypted
}

// ReadIdentities reads the identity file name, as age-keygen writes it, as a
// plugin's program does, or encrypted by a passphrase (age -p), or an SSH
// private key. public reads the .pub file next to it.
func ReadIdentities(name string, r io.Reader, ui *UI, public func() ([]byte, error)) ([]Identity, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(body) > MaxFile {
		return nil, fmt.Errorf("it has more than %d bytes, which no key file has", MaxFile)
	}
	trimmed := bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(body, []byte("age-encryption.org/")):
		return []Identity{lockedFile(name, body, ui)}, nil
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		plain, err := io.ReadAll(armor.NewReader(bytes.NewReader(body)))
		if err != nil {
			return nil, fmt.Errorf("its armor is damaged: %w", err)
		}
		return []Identity{lockedFile(name, plain, ui)}, nil
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN")):
		id, err := parseSSHIdentity(name, body, ui, public)
		return []Identity{id}, err
	}
	return parseIdentities(name, body, ui)
}

// ReadPublic reads the public key that stands next to an SSH private key.
func ReadPublic(name string) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(body) > MaxFile {
		err = fmt.Errorf("%s has more than %d bytes, which no public key has", name, MaxFile)
	}
	return body, err
}

// parseIdentities reads lines. Its errors never quote one: it may be a secret.
func parseIdentities(name string, body []byte, ui *UI) ([]Identity, error) {
	var list []Identity
	sc := bufio.NewScanner(bytes.NewReader(body))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		id := Identity{name: name}
		var err error
		switch {
		case line == "" || line[0] == '#':
			continue
		case strings.HasPrefix(line, "AGE-PLUGIN-"):
			id.cost, id.plugin = runs, true
			id.key, err = plugin.NewIdentity(line, ui.plugin())
		case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
			id.key, err = age.ParseHybridIdentity(line)
		case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
			id.key, err = age.ParseX25519Identity(line)
		case strings.HasPrefix(line, "age1"), strings.HasPrefix(line, "ssh-"):
			return nil, fmt.Errorf("line %d is a recipient, which is public; the secret key is needed here", n)
		default:
			return nil, fmt.Errorf("line %d is not an identity (AGE-SECRET-KEY-1..., AGE-SECRET-KEY-PQ-1... or AGE-PLUGIN-...)", n)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is a damaged identity", n)
		}
		list = append(list, id)
	}
	if sc.Err() != nil || len(list) == 0 {
		return nil, errors.New("it holds no identity")
	}
	return list, nil
}

// lockedFile is an identity file that a passphrase opens.
func lockedFile(name string, body []byte, ui *UI) Identity {
	pass := AskPassphrase(ui, "Passphrase of the key file "+name, false)
	return Identity{name: name, cost: asks, locked: sync.OnceValues(func() ([]Identity, error) {
		list, err := stanzas(body)
		if err != nil {
			return nil, errors.New("it is damaged")
		}
		if list[0].Type != stanzaScrypt {
			return nil, errors.New("it is encrypted to a key; only a passphrase can be used here")
		}
		if why := checkScrypt(list, maxOwnIdentity); why != "" {
			return nil, errors.New("it " + why + ": encrypt it again with age -p")
		}
		if _, err := pass.get(); err != nil {
			return nil, err
		}
		r, err := age.Decrypt(bytes.NewReader(body), pass.foreign())
		if errors.Is(err, age.ErrIncorrectIdentity) {
			return nil, errors.New("wrong passphrase")
		}
		if err != nil {
			return nil, err
		}
		plain, err := io.ReadAll(io.LimitReader(r, MaxFile))
		if err != nil {
			return nil, errors.New("it is damaged")
		}
		return parseIdentities(name, plain, ui)
	})}
}

// foreign is the passphrase for a file that age wrote.
func (p Passphrase) foreign() age.Identity {
	s, err := p.get()
	if err != nil {
		return &recorder{}
	}
	id, err := age.NewScryptIdentity(s)
	if err != nil {
		return &recorder{}
	}
	id.SetMaxWorkFactor(maxOwnIdentity)
	return id
}
