package keys

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"
)

// MaxFile is the largest key file, identity file or recipients file that is read, in bytes.
const MaxFile = 1 << 20

// kind says what is known of a recipient, or a stanza, before a plugin is asked.
type kind int

const (
	unknown     kind = iota // a plugin knows
	classic                 // a quantum computer breaks it
	postQuantum             // it does not
	passphrase              // goes with either
)

// Recipient is a public key that may open a bundle, or a passphrase.
type Recipient struct {
	Text string // as age or ssh writes it, without comment; "passphrase" for one
	kind kind
	key  age.Recipient
	pass Passphrase
}

// IsPassphrase reports whether the recipient is a passphrase.
func (r Recipient) IsPassphrase() bool { return r.kind == passphrase }

// ParseRecipient reads one recipient: age1..., age1pq1..., age1NAME1... of a
// plugin (C2SP age-plugin specification), ssh-ed25519 or ssh-rsa.
func ParseRecipient(s string, ui *UI) (Recipient, error) {
	switch {
	case strings.HasPrefix(s, "age1pq1"):
		r, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, notRead(s, hybridChars)
		}
		return Recipient{Text: r.String(), kind: postQuantum, key: r}, nil
	case strings.HasPrefix(s, "age1tag1"), strings.HasPrefix(s, "age1tagpq1"):
		return parseTag(s)
	case strings.HasPrefix(s, "age1") && strings.Count(s, "1") > 1: // no other recipient has the separator twice
		r, err := plugin.NewRecipient(s, ui.plugin())
		if err != nil {
			return Recipient{}, notRead(s, 0)
		}
		return Recipient{Text: r.String(), kind: unknown, key: r}, nil
	case strings.HasPrefix(s, "age1"):
		r, err := age.ParseX25519Recipient(s)
		if err != nil {
			return Recipient{}, notRead(s, x25519Chars)
		}
		return Recipient{Text: r.String(), kind: classic, key: r}, nil
	case strings.HasPrefix(s, "AGE-"), strings.HasPrefix(s, "-----BEGIN"):
		return Recipient{}, errors.New("a secret key was given where a recipient belongs; recipients begin with age1, ssh-ed25519 or ssh-rsa")
	}
	return parseSSH(s)
}

// parseTag reads a recipient of a hardware key that needs no plugin to encrypt
// to (C2SP age specification, tagged recipients).
func parseTag(s string) (Recipient, error) {
	r, err := tag.ParseRecipient(s)
	if err != nil {
		return Recipient{}, notRead(s, 0)
	}
	k := classic
	if r.Hybrid() {
		k = postQuantum
	}
	return Recipient{Text: r.String(), kind: k, key: r}, nil
}

// How many characters recipients of age have (C2SP age specification; bech32).
const (
	x25519Chars = 62
	hybridChars = 1959
)

// notRead says of a recipient that cannot be read what can be seen: a checksum is in it, so
// that nothing but a typing error or a missing part breaks it. chars is how long it must be,
// 0 if that is not known.
func notRead(s string, chars int) error {
	why := "characters are wrong or missing; copy the whole line again"
	if chars != 0 && len(s) != chars {
		why = fmt.Sprintf("it has %d characters and must have %d; copy the whole line again", len(s), chars)
	}
	return fmt.Errorf("recipient %q: %s", shorten(s), why)
}

func shorten(s string) string {
	if len(s) > 24 {
		return s[:21] + "..."
	}
	return s
}

// ReadRecipients reads a recipients file, or one in the form of authorized_keys:
// one recipient a line, empty lines and # comments skipped. As in age, SSH keys
// of a type that cannot be encrypted to are left out, which ui reports.
func ReadRecipients(r io.Reader, ui *UI) ([]Recipient, error) {
	var list []Recipient
	limited := &io.LimitedReader{R: r, N: MaxFile + 1}
	sc := bufio.NewScanner(limited)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		rec, err := ParseRecipient(line, ui)
		var other *sshTypeError
		if errors.As(err, &other) {
			ui.show("line %d is left out: %v", n, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, rec)
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("it has more than %d bytes", MaxFile)
	}
	if len(list) == 0 {
		return nil, errors.New("it holds no recipient that can be encrypted to")
	}
	return list, nil
}

// CheckMix returns a *[MixedError] for recipients that are known to be of both kinds.
func CheckMix(to []Recipient) error {
	seen := map[kind]bool{}
	for _, r := range to {
		seen[r.kind] = true
	}
	if seen[classic] && seen[postQuantum] {
		return errMixed
	}
	return nil
}

// CheckAdd is [CheckMix] for recipients that are added to a bundle.
func CheckAdd(bundlePostQuantum bool, to []Recipient) error {
	if err := CheckMix(to); err != nil {
		return err
	}
	for _, r := range to {
		if err := checkAdd(bundlePostQuantum, r.kind); err != nil {
			return err
		}
	}
	return nil
}

func checkAdd(bundlePostQuantum bool, k kind) error {
	switch {
	case k == postQuantum && !bundlePostQuantum:
		return errClassicBundle
	case k == classic && bundlePostQuantum:
		return errPostQuantumBundle
	}
	return nil
}
