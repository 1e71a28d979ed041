package keys

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// MaxFile is the largest key file, identity file or recipients file that is read, in bytes.
const MaxFile = 1 << 20

const stanzaPostQuantum = "mlkem768x25519" // C2SP age spec, hybrid recipient stanza

// ErrMixed says that post-quantum and classic recipients were given together.
var ErrMixed = errors.New("post-quantum and classic recipients cannot be mixed: whoever breaks the classic key opens the bundle all the same")

// ErrNoMatch says that none of the identities opens a key file.
var ErrNoMatch = errors.New("none of the given keys opens this bundle")

// Recipient is a public key that may open a bundle.
type Recipient struct {
	Text        string // as age writes it
	PostQuantum bool
	key         age.Recipient
}

// ParseRecipient reads one recipient, age1... or age1pq1....
func ParseRecipient(s string) (Recipient, error) {
	switch {
	case strings.HasPrefix(s, "age1pq1"):
		r, err := age.ParseHybridRecipient(s)
		if err != nil {
			return Recipient{}, fmt.Errorf("recipient %q: %w", shorten(s), err)
		}
		return Recipient{r.String(), true, r}, nil
	case strings.HasPrefix(s, "age1") && strings.Count(s, "1") > 1 && !isX25519(s):
		return Recipient{}, fmt.Errorf("recipient %q is a plugin's; recipients are age1... and age1pq1... keys", shorten(s))
	case strings.HasPrefix(s, "age1"):
		r, err := age.ParseX25519Recipient(s)
		if err != nil {
			return Recipient{}, fmt.Errorf("recipient %q: %w", shorten(s), err)
		}
		return Recipient{r.String(), false, r}, nil
	case strings.HasPrefix(s, "AGE-SECRET-KEY-"):
		return Recipient{}, errors.New("a secret key was given where a recipient belongs; recipients begin with age1")
	}
	return Recipient{}, fmt.Errorf("recipient %q: recipients begin with age1 or age1pq1", shorten(s))
}

// isX25519 reports whether s has the length of an X25519 recipient, whose data
// never holds the separator 1 again.
func isX25519(s string) bool { return len(s) == 62 && strings.LastIndex(s, "1") == 3 }

func shorten(s string) string {
	if len(s) > 24 {
		return s[:21] + "..."
	}
	return s
}

// ReadRecipients reads a recipients file: one a line, empty lines and # comments skipped.
func ReadRecipients(r io.Reader) ([]Recipient, error) {
	var list []Recipient
	limited := &io.LimitedReader{R: r, N: MaxFile + 1}
	sc := bufio.NewScanner(limited)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		rec, err := ParseRecipient(line)
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
		return nil, errors.New("it holds no recipient")
	}
	return list, nil
}

// Generate makes an identity and gives it and its recipient as age writes them.
func Generate(postQuantum bool) (identity, recipient string, err error) {
	if postQuantum {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return "", "", fmt.Errorf("make a post-quantum key: %w", err)
		}
		return id.String(), id.Recipient().String(), nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// Identity is a secret key.
type Identity struct{ key age.Identity }

// ReadIdentities reads an identity file as age-keygen writes it.
func ReadIdentities(r io.Reader) ([]Identity, error) {
	ids, err := age.ParseIdentities(io.LimitReader(r, MaxFile))
	if err != nil {
		// age's message may quote the line, which is a secret.
		return nil, errors.New("it is not an age identity file (AGE-SECRET-KEY-1... or AGE-SECRET-KEY-PQ-1... lines)")
	}
	list := make([]Identity, len(ids))
	for i, id := range ids {
		list[i] = Identity{id}
	}
	return list, nil
}

// CheckMix returns [ErrMixed] for recipients of both kinds, and an error for none at all.
func CheckMix(to []Recipient) error {
	if len(to) == 0 {
		return errors.New("no recipient given")
	}
	for _, r := range to {
		if r.PostQuantum != to[0].PostQuantum {
			return ErrMixed
		}
	}
	return nil
}

// Wrap makes a bundle key, post-quantum exactly when the recipients are. It
// returns the key file to them, and the bundle key's recipient; the identity is
// in the key file alone.
func Wrap(to []Recipient) (file []byte, bundleRecipient string, err error) {
	if err := CheckMix(to); err != nil {
		return nil, "", err
	}
	identity, recipient, err := Generate(to[0].PostQuantum)
	if err != nil {
		return nil, "", err
	}
	list := make([]age.Recipient, len(to))
	for i, r := range to {
		list[i] = r.key
	}
	var buf bytes.Buffer
	w, err := age.Encrypt(&buf, list...)
	if err != nil {
		return nil, "", fmt.Errorf("encrypt the bundle key: %w", err)
	}
	if _, err := io.WriteString(w, identity+"\n"); err != nil {
		return nil, "", fmt.Errorf("encrypt the bundle key: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("encrypt the bundle key: %w", err)
	}
	return buf.Bytes(), recipient, nil
}

// Unwrap opens a key file and returns the bundle key's identity. The error
// wraps [ErrNoMatch] when no identity fits.
func Unwrap(file []byte, ids []Identity) (Identity, error) {
	list := make([]age.Identity, len(ids))
	for i, id := range ids {
		list[i] = id.key
	}
	if len(list) == 0 {
		return Identity{}, ErrNoMatch
	}
	r, err := age.Decrypt(bytes.NewReader(file), list...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return Identity{}, ErrNoMatch
	}
	if err != nil {
		return Identity{}, fmt.Errorf("open key file: %w", err)
	}
	found, err := age.ParseIdentities(io.LimitReader(r, MaxFile))
	if err != nil || len(found) != 1 {
		return Identity{}, errors.New("open key file: it does not hold a bundle key")
	}
	return Identity{found[0]}, nil
}

// Encrypt starts an age file to a bundle key on dst.
func Encrypt(dst io.Writer, bundleRecipient string) (io.WriteCloser, error) {
	r, err := ParseRecipient(bundleRecipient)
	if err != nil {
		return nil, err
	}
	return age.Encrypt(dst, r.key)
}

// Decrypt opens an age file of size bytes for random access.
func (id Identity) Decrypt(src io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	return age.DecryptReaderAt(src, size, id.key)
}

// IsPostQuantum reports, from the header of an age file, whether it takes a
// post-quantum key to open it.
func IsPostQuantum(file []byte) (bool, error) {
	header, err := age.ExtractHeader(bytes.NewReader(file))
	if err != nil {
		return false, fmt.Errorf("read the header of a key file: %w", err)
	}
	return bytes.Contains(header, []byte("\n-> "+stanzaPostQuantum+" ")), nil
}
