package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/oci"
)

const ledgerName = "ledger.json"

// maxFile bounds what is read of a ledger, in bytes.
const maxFile = 64 << 20

// file is ledger.json.
type file struct {
	Version string   `json:"version"`
	ID      string   `json:"ledger"`
	Name    string   `json:"name"`
	Config  string   `json:"config"`
	Next    int      `json:"next"`
	Bundles []Bundle `json:"bundles"`
}

// form is one kind of file of a ledger. Version 1 is the first; each step takes a file from
// one version to the next.
type form struct {
	kind  string // such as "ledger"
	steps []func(map[string]json.RawMessage) error
}

func (f form) version(n int) string { return fmt.Sprintf("%s/%d", f.kind, n) }

// newest is the version that is written, and the highest that is read.
func (f form) newest() string { return f.version(len(f.steps) + 1) }

func ledgerForm() form  { return form{kind: "ledger"} }
func contentForm() form { return form{kind: "content"} }

// decode reads a file of any version up to the newest into v. The error is an
// *[oci.VersionError] for one of a newer satchel.
func (f form) decode(path string, body []byte, v any) error {
	var all map[string]json.RawMessage
	var version string
	err := json.Unmarshal(body, &all)
	if err == nil {
		err = json.Unmarshal(all["version"], &version)
	}
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(version, f.kind+"/%d", &n); err != nil || n < 1 || version != f.version(n) {
		return fmt.Errorf("its version is %.40q", version)
	}
	if n > len(f.steps)+1 {
		return &oci.VersionError{File: path, Has: version, Reads: f.newest()}
	}
	if n == len(f.steps)+1 {
		return json.Unmarshal(body, v)
	}
	for i, step := range f.steps[n-1:] {
		if err := step(all); err != nil {
			return fmt.Errorf("read it as %s: %w", f.version(n+i+1), err)
		}
	}
	if body, err = json.Marshal(all); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// parse reads ledger.json of the ledger of that name.
func parse(f form, path, name string, body []byte) (*Ledger, error) {
	var in file
	err := f.decode(path, body, &in)
	if err == nil {
		err = in.check(name)
	}
	var newer *oci.VersionError
	switch {
	case errors.As(err, &newer):
		return nil, err
	case err != nil:
		return nil, &DamageError{Dir: filepath.Dir(path), File: filepath.Base(path), Err: err}
	}
	return &Ledger{ID: in.ID, Name: in.Name, Config: in.Config, Next: in.Next, Bundles: in.Bundles}, nil
}

// check finds what cannot be counted on with.
func (in file) check(name string) error {
	if err := (bundle.Stream{Ledger: in.ID, Name: in.Name}).Check(); err != nil {
		return err
	}
	if in.Name != name {
		return fmt.Errorf("it is of the stream %s", in.Name)
	}
	last := 0
	ids := map[string]bool{}
	for _, b := range in.Bundles {
		if b.Sequence <= last || b.Bundle == "" || ids[b.Bundle] {
			return fmt.Errorf("bundle %d is out of order, or there twice", b.Sequence)
		}
		if b.Fingerprint == "" != b.Sealed.IsZero() || b.Sealed.IsZero() && !b.Confirmed.IsZero() {
			return fmt.Errorf("bundle %d has no fingerprint", b.Sequence)
		}
		last, ids[b.Bundle] = b.Sequence, true
	}
	if in.Next <= last {
		return fmt.Errorf("the next bundle is %d, and there is a bundle %d", in.Next, last)
	}
	return nil
}

func (l *Ledger) marshal() ([]byte, error) {
	list := l.Bundles
	if list == nil {
		list = []Bundle{}
	}
	body, err := json.MarshalIndent(file{ledgerForm().newest(), l.ID, l.Name, l.Config, l.Next, list}, "", " ")
	return append(body, '\n'), err
}

// dirOf is the directory of the ledgers below the state directory.
func dirOf(state string) string { return filepath.Join(state, "ledgers") }

// Read reads the ledger of a stream, nil if there is none yet. Nothing is written. Errors:
// *[DamageError], *[oci.VersionError], *[bundle.StateError].
func Read(state, name string) (*Ledger, error) {
	path := filepath.Join(dirOf(state), name, ledgerName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxFile {
		return nil, &DamageError{Dir: filepath.Dir(path), File: ledgerName, Err: fmt.Errorf("it has %d bytes", info.Size())}
	}
	var body []byte
	if err == nil {
		body, err = durable.Read(path, maxFile)
	}
	if err != nil {
		return nil, failed("read the ledger", path, err)
	}
	l, err := parse(ledgerForm(), path, name, body)
	if err == nil {
		l.reconciled = l.reconcile(state)
	}
	return l, err
}

// All reads every ledger below the state directory, by name. err joins those of the ledgers
// that cannot be read; the others are in the list.
func All(state string) (list []*Ledger, err error) {
	entries, rerr := os.ReadDir(dirOf(state))
	if rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return nil, failed("read the ledgers", dirOf(state), rerr)
	}
	for _, e := range entries {
		if bundle.CheckStreamName(e.Name()) != nil {
			continue // not one of satchel's
		}
		l, lerr := Read(state, e.Name())
		if l != nil {
			list = append(list, l)
		}
		err = errors.Join(err, lerr)
	}
	return list, err
}

// lookedAt is of how many bundles the journals are looked at: a crash matters to the last ones.
const lookedAt = 4

// reconcile takes over what the journals of bundles know and a crash kept from the ledger:
// that they are sealed, and that they were read back. It reports whether anything is new.
func (l *Ledger) reconcile(state string) (changed bool) {
	for i := range l.Bundles {
		b := &l.Bundles[i]
		if b.Verified || i < len(l.Bundles)-lookedAt {
			continue
		}
		found, ok := bundle.SealOf(state, b.Bundle)
		if !ok || found.Stream != l.Stream() || found.Sequence != b.Sequence || b.Fingerprint != "" && b.Fingerprint != found.Fingerprint {
			continue
		}
		if b.Sealed.IsZero() {
			b.Sealed, b.Fingerprint, changed = b.Reserved, found.Fingerprint, true
		}
		if found.Verified {
			b.Verified, changed = true, true
		}
	}
	return changed
}

// recent lists the numbers of the last bundles, whose content is kept.
func (l *Ledger) recent() (list []int) {
	for _, b := range slices.Backward(l.Bundles) {
		if len(list) < Kept {
			list = append(list, b.Sequence)
		}
	}
	return list
}
