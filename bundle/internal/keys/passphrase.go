package keys

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"filippo.io/age"
)

// scrypt's work factors, as base-2 logarithms: what is written, and the most
// that is accepted of a key file (64 MiB of memory). An identity file of a person may
// ask for what age -p writes (256 MiB); age itself would take 4 GiB.
const (
	workFactor     = 15
	maxWorkFactor  = 16
	maxOwnIdentity = 18
)

// passphraseText stands for a passphrase where recipients are listed.
const passphraseText = "passphrase"

// Passphrase is a passphrase that is known, or that is asked for when it is needed.
type Passphrase struct {
	name  string // of its file, for errors
	known bool
	get   func() (string, error)
}

// ReadPassphrase takes the first line of r, which comes from the file name.
func ReadPassphrase(name string, r io.Reader) (Passphrase, error) {
	line, err := bufio.NewReader(io.LimitReader(r, MaxFile)).ReadString('\n')
	if err != nil && err != io.EOF {
		return Passphrase{}, err
	}
	if err == io.EOF && len(line) == MaxFile {
		return Passphrase{}, fmt.Errorf("its first line has %d bytes or more, so it is no passphrase", MaxFile)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return Passphrase{}, errors.New("its first line is empty, so it holds no passphrase")
	}
	return Passphrase{name: name, known: true, get: func() (string, error) { return line, nil }}, nil
}

// AskPassphrase asks ui when the passphrase is needed, and once; a new one is
// asked for twice, to find typing errors.
func AskPassphrase(ui *UI, prompt string, isNew bool) Passphrase {
	return Passphrase{name: "the passphrase", get: sync.OnceValues(func() (string, error) {
		s, err := ui.ask(prompt+": ", true)
		if err != nil {
			return "", err
		}
		if s == "" {
			return "", errors.New("an empty passphrase was given")
		}
		if !isNew {
			return s, nil
		}
		again, err := ui.ask("The same again: ", true)
		if err == nil && again != s {
			err = errors.New("the two passphrases differ")
		}
		return s, err
	})}
}

// Recipient lets the passphrase open a bundle.
func (p Passphrase) Recipient() Recipient {
	return Recipient{Text: passphraseText, kind: passphrase, pass: p}
}

// Identity tries the passphrase on a bundle.
func (p Passphrase) Identity() Identity {
	cost := free
	if !p.known {
		cost = asks
	}
	return Identity{name: p.name, cost: cost, key: &scryptIdentity{pass: p}, passphrase: true}
}

// encrypter is created once the passphrase is needed.
func (p Passphrase) encrypter() (age.Recipient, error) {
	s, err := p.get()
	if err != nil {
		return nil, &RecipientError{"a passphrase", err}
	}
	r, err := age.NewScryptRecipient(s)
	if err != nil {
		return nil, &RecipientError{"a passphrase", err}
	}
	r.SetWorkFactor(workFactor)
	return r, nil
}

// Fits reports whether the passphrases among the recipients that are known
// without asking each open one of the key files, no two the same one.
func Fits(to []Recipient, files map[string][]byte) bool {
	used := map[string]bool{}
	for _, r := range to {
		if r.kind != passphrase || !r.pass.known {
			continue
		}
		name := r.pass.opens(files, used)
		if name == "" {
			return false
		}
		used[name] = true
	}
	return true
}

func (p Passphrase) opens(files map[string][]byte, used map[string]bool) string {
	for name, body := range files {
		list, err := stanzas(body)
		if err != nil || used[name] {
			continue
		}
		if _, err := p.Identity().key.Unwrap(list); err == nil {
			return name
		}
	}
	return ""
}

// scryptIdentity asks for the passphrase when there is a stanza to try it on.
type scryptIdentity struct{ pass Passphrase }

func (i *scryptIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != stanzaScrypt {
		return nil, age.ErrIncorrectIdentity
	}
	if why := checkScrypt(stanzas, maxWorkFactor); why != "" {
		return nil, &FileError{Why: why}
	}
	s, err := i.pass.get()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(s)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	return id.Unwrap(stanzas)
}

var workFactorPattern = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)

// checkScrypt says what is wrong with a file that a passphrase opens, before any memory is
// taken for it; most is the highest work factor.
func checkScrypt(stanzas []*age.Stanza, most int) string {
	for _, s := range stanzas {
		if s.Type != stanzaScrypt {
			continue
		}
		if len(stanzas) != 1 {
			return "has a passphrase among other recipients, where it must stand alone"
		}
		if len(s.Args) != 2 || !workFactorPattern.MatchString(s.Args[1]) {
			return "has no valid scrypt work factor"
		}
		if n, err := strconv.Atoi(s.Args[1]); err != nil || n > most {
			return fmt.Sprintf("asks for scrypt work factor %s, and at most %d is accepted", s.Args[1], most)
		}
	}
	return ""
}
