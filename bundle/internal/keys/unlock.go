package keys

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
)

// File is a key file, and what its header says.
type File struct {
	Name    string
	Body    []byte
	stanzas []*age.Stanza
}

// Unlock opens one of the key files with one of the identities. Those that ask
// nobody come first, and each asks once at most. Errors: [ErrNoMatch]; a
// *[FileError] when nothing opened and a file is not what it must be.
func Unlock(ctx context.Context, files []File, ids []Identity) (Key, error) {
	files = slices.Clone(files)
	for i, f := range files {
		var err error
		if files[i].stanzas, err = stanzas(f.Body); err != nil {
			return Key{}, &FileError{f.Name, "cannot be read: " + err.Error()}
		}
	}
	ids = slices.Clone(ids)
	slices.SortStableFunc(ids, func(a, b Identity) int { return cmp.Compare(a.cost, b.cost) })
	none := &NoMatchError{}
	var bad *FileError
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return Key{}, err
		}
		key, err := id.unlock(files)
		switch {
		case err == nil:
			return key, nil
		case ctx.Err() != nil: // Ctrl-C ends a plugin's program too
			return Key{}, ctx.Err()
		case errors.Is(err, context.Canceled):
			return Key{}, err
		case errors.Is(err, age.ErrIncorrectIdentity), errors.As(err, &bad):
		default:
			none.Tried = append(none.Tried, fmt.Errorf("%s: %w", id.name, err))
		}
	}
	if bad != nil {
		return Key{}, bad
	}
	return Key{}, none
}

func (id Identity) unlock(files []File) (Key, error) {
	switch {
	case id.plugin:
		return id.unlockPlugin(files)
	case id.locked != nil:
		return id.unlockFile(files)
	}
	err := age.ErrIncorrectIdentity
	var bad error // a faulty file does not stand in the way of a good one
	for _, f := range files {
		fileKey, uerr := id.key.Unwrap(f.stanzas)
		var fault *FileError
		switch {
		case errors.As(uerr, &fault):
			bad = cmp.Or(bad, error(&FileError{f.Name, fault.Why}))
			continue
		case errors.Is(uerr, age.ErrIncorrectIdentity):
			if id.passphrase && f.stanzas[0].Type == stanzaScrypt {
				err = errors.New("wrong passphrase")
			}
			continue
		case uerr != nil && id.cost == free:
			bad = cmp.Or(bad, error(&FileError{f.Name, "cannot be opened: " + uerr.Error()}))
			continue
		case uerr != nil:
			return Key{}, uerr
		}
		key, oerr := f.open(fileKey)
		if oerr == nil {
			return key, nil
		}
		bad = cmp.Or(bad, error(&FileError{f.Name, oerr.Error()}))
	}
	return Key{}, cmp.Or(bad, err)
}

// unlockFile asks for the passphrase of an identity file, if there is a key
// file that its identities might open.
func (id Identity) unlockFile(files []File) (Key, error) {
	if !slices.ContainsFunc(files, func(f File) bool { return f.stanzas[0].Type != stanzaScrypt }) {
		return Key{}, age.ErrIncorrectIdentity
	}
	list, err := id.locked()
	if err != nil {
		return Key{}, err
	}
	err = age.ErrIncorrectIdentity
	for _, inner := range list {
		var key Key
		if key, err = inner.unlock(files); err == nil {
			return key, nil
		}
	}
	return Key{}, err
}

// unlockPlugin runs the plugin once, for all key files: a hardware key that
// must be touched is touched once.
func (id Identity) unlockPlugin(files []File) (Key, error) {
	var all []*age.Stanza
	for _, f := range files {
		if f.stanzas[0].Type != stanzaScrypt {
			all = append(all, f.stanzas...)
		}
	}
	if len(all) == 0 {
		return Key{}, age.ErrIncorrectIdentity
	}
	fileKey, err := id.key.Unwrap(all)
	if err != nil {
		return Key{}, err
	}
	for _, f := range files {
		if key, err := f.open(fileKey); err == nil {
			return key, nil
		}
	}
	return Key{}, errors.New("what the plugin gave opens no key file")
}

// open reads the bundle key out of the file.
func (f File) open(fileKey []byte) (Key, error) {
	r, err := age.Decrypt(bytes.NewReader(f.Body), age.NewInjectedFileKeyIdentity(fileKey))
	if err != nil {
		return Key{}, fmt.Errorf("cannot be opened: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxFile))
	if err != nil {
		return Key{}, fmt.Errorf("cannot be opened: %w", err)
	}
	return parseKey(text)
}
