package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
)

// MaxKeyFiles is the most key files that a bundle may have.
const MaxKeyFiles = 99

// labelPostQuantum is what age's recipients say of themselves (C2SP age
// specification, labels).
const labelPostQuantum = "postquantum"

// Key is a bundle key, with its identity.
type Key struct {
	text        string
	postQuantum bool
	key         age.Identity
}

// PostQuantum reports whether the bundle key is.
func (k Key) PostQuantum() bool { return k.postQuantum }

// parseKey reads what a key file holds: one identity, in one line.
func parseKey(text []byte) (Key, error) {
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil || len(ids) != 1 {
		return Key{}, errors.New("does not hold a bundle key")
	}
	switch id := ids[0].(type) {
	case *age.X25519Identity:
		return Key{id.String(), false, id}, nil
	case *age.HybridIdentity:
		return Key{id.String(), true, id}, nil
	}
	return Key{}, errors.New("holds a bundle key of an unknown kind")
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

// Make makes a bundle key, post-quantum exactly when a recipient is. It returns
// the key files to them, the one to all public keys first, and the bundle key's
// recipient; the identity is in the key files alone. Errors: *[MixedError],
// *[RecipientError].
func Make(to []Recipient) (files [][]byte, bundleRecipient string, err error) {
	files, err = wrap(to, func(labels []string) (string, error) {
		if foreignLabel(labels) && hasPassphrase(to) {
			return "", standsAlone(labels)
		}
		identity, recipient, err := Generate(slices.Contains(labels, labelPostQuantum))
		bundleRecipient = recipient
		return identity, err
	})
	return files, bundleRecipient, err
}

// Add makes further key files, as [Make] does, for a bundle that has others.
func (k Key) Add(to []Recipient) ([][]byte, error) {
	if err := CheckAdd(k.postQuantum, to); err != nil {
		return nil, err
	}
	return wrap(to, func(labels []string) (string, error) {
		if foreignLabel(labels) {
			return "", standsAlone(labels)
		}
		of := classic
		if slices.Contains(labels, labelPostQuantum) {
			of = postQuantum
		}
		if hasPublic(to) {
			if err := checkAdd(k.postQuantum, of); err != nil {
				return "", err
			}
		}
		return k.text, nil
	})
}

// foreignLabel reports whether recipients want to stand with others of their
// own kind alone, in a way other than being post-quantum.
func foreignLabel(labels []string) bool {
	return slices.ContainsFunc(labels, func(l string) bool { return l != labelPostQuantum })
}

func standsAlone(labels []string) error {
	return &MixedError{fmt.Sprintf("a plugin's recipient takes only others with the label %q", labels)}
}

func hasPassphrase(to []Recipient) bool {
	return slices.ContainsFunc(to, func(r Recipient) bool { return r.kind == passphrase })
}

func hasPublic(to []Recipient) bool {
	return slices.ContainsFunc(to, func(r Recipient) bool { return r.kind != passphrase })
}

// wrap encrypts an identity to the recipients. identity gets the labels that
// the public keys have in common; it is called once.
func wrap(to []Recipient, identity func(labels []string) (string, error)) ([][]byte, error) {
	if len(to) == 0 {
		return nil, errors.New("no recipient given")
	}
	if err := CheckMix(to); err != nil {
		return nil, err
	}
	var public []*labelled
	var passes []Passphrase
	seen := map[string]bool{}
	for _, r := range to {
		switch {
		case r.kind == passphrase:
			passes = append(passes, r.pass)
		case !seen[r.Text]:
			seen[r.Text] = true
			public = append(public, &labelled{Recipient: r.key, text: r.Text})
		}
	}
	if len(passes) >= MaxKeyFiles {
		return nil, fmt.Errorf("%d passphrases are more than the %d key files that a bundle may have", len(passes), MaxKeyFiles)
	}
	var files [][]byte
	var text string
	if len(public) > 0 {
		file, err := encryptTo(public, func(labels []string) (_ string, err error) {
			text, err = identity(labels)
			return text, err
		})
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	for _, p := range passes {
		file, err := encryptPassphrase(p, &text, identity)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func encryptPassphrase(p Passphrase, text *string, identity func([]string) (string, error)) (_ []byte, err error) {
	if *text == "" {
		if *text, err = identity(nil); err != nil {
			return nil, err
		}
	}
	r, err := p.encrypter()
	if err != nil {
		return nil, err
	}
	return encryptTo([]*labelled{{Recipient: r, text: passphraseText}}, func([]string) (string, error) { return *text, nil })
}

// encryptTo makes one key file. Every recipient, and so every plugin, is run once.
func encryptTo(to []*labelled, identity func(labels []string) (string, error)) ([]byte, error) {
	list := make([]age.Recipient, len(to))
	for i, r := range to {
		list[i] = r
	}
	var buf bytes.Buffer
	w, err := age.Encrypt(&buf, list...)
	if err != nil {
		return nil, blame(to, err)
	}
	text, err := identity(to[0].labels)
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, text+"\n")
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("encrypt the bundle key: %w", err)
	}
	if buf.Len() > MaxFile {
		return nil, fmt.Errorf("the key file would have %d bytes, more than %d: too many recipients", buf.Len(), MaxFile)
	}
	if _, err := Inspect(buf.Bytes()); err != nil { // what a plugin wrote is not ours
		return nil, fmt.Errorf("the key file %w", err)
	}
	return buf.Bytes(), nil
}

// blame says which recipient age could not encrypt to, or could not mix.
func blame(to []*labelled, err error) error {
	for i, r := range to {
		if r.err != nil {
			return &RecipientError{shorten(r.text), r.err}
		}
		if i == 0 || slices.Equal(r.labels, to[0].labels) {
			continue
		}
		if slices.Contains(r.labels, labelPostQuantum) != slices.Contains(to[0].labels, labelPostQuantum) {
			return errMixed
		}
		return &MixedError{fmt.Sprintf("recipients that say %q and %q of themselves cannot be mixed", to[0].labels, r.labels)}
	}
	return fmt.Errorf("encrypt the bundle key: %w", err)
}

// labelled keeps the labels of a recipient, known once it has encrypted.
type labelled struct {
	age.Recipient
	text   string
	labels []string
	err    error
}

// WrapWithLabels is age's [age.RecipientWithLabels].
func (l *labelled) WrapWithLabels(fileKey []byte) (list []*age.Stanza, labels []string, err error) {
	if r, ok := l.Recipient.(age.RecipientWithLabels); ok {
		list, labels, err = r.WrapWithLabels(fileKey)
	} else {
		list, err = l.Recipient.Wrap(fileKey)
	}
	slices.Sort(labels)
	l.labels, l.err = labels, err
	return list, labels, err
}

// Encrypt starts an age file to a bundle key on dst.
func Encrypt(dst io.Writer, bundleRecipient string) (io.WriteCloser, error) {
	r, err := ParseRecipient(bundleRecipient, nil)
	if err != nil {
		return nil, err
	}
	return age.Encrypt(dst, r.key)
}

// Decrypt opens an age file of size bytes for random access.
func (k Key) Decrypt(src io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	return age.DecryptReaderAt(src, size, k.key)
}
