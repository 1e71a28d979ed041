package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

// Store is where the ledger of one stream is written.
type Store struct {
	state, name string
}

// At gives the ledger of a stream below the state directory.
func At(state, name string) Store { return Store{state, name} }

func (s Store) dir() string { return filepath.Join(dirOf(s.state), s.name) }

// probeSize is what a ledger's disk must have free before a bundle is begun, in bytes.
const probeSize = 64 << 10

// Prepare creates the ledger if there is none, finds out whether it can be written, and
// gives what it says. Errors: those of [Read].
func (s Store) Prepare() (*Ledger, error) {
	var found *Ledger
	err := s.change(func(l *Ledger) (bool, error) {
		found = l
		return false, s.probe()
	})
	return found, err
}

// probe writes into the ledger's directory what a bundle's record may take.
func (s Store) probe() error {
	f, err := os.CreateTemp(s.dir(), durable.Temp)
	if err != nil {
		return failed("write to the ledger in", s.dir(), err)
	}
	_, err = f.Write(make([]byte, probeSize))
	err = errors.Join(err, f.Sync(), f.Close())
	if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) { // another run may have taken it for left over
		err = errors.Join(err, rerr)
	}
	return failed("write to the ledger in", s.dir(), err)
}

// change has do change the ledger while no other process does, and writes it if do, or a
// bundle's journal, has changed anything.
func (s Store) change(do func(*Ledger) (bool, error)) error {
	if err := s.makeDirs(); err != nil {
		return err
	}
	var inner error
	err := durable.Alone(s.dir(), func() error {
		inner = s.locked(do)
		return nil
	})
	if inner != nil {
		return inner
	}
	return failed("lock the ledger in", s.dir(), err)
}

// makeDirs makes the ledger's directory, whose name survives a crash.
func (s Store) makeDirs() error {
	return failed("make the ledger's directory", s.dir(), durable.MakeDirs(s.dir()))
}

func (s Store) locked(do func(*Ledger) (bool, error)) error {
	l, err := Read(s.state, s.name)
	if err != nil {
		return err
	}
	fresh := l == nil
	if fresh {
		if l, err = newLedger(s.name); err != nil {
			return err
		}
	}
	changed, err := do(l)
	if err != nil {
		return err
	}
	if !changed && !fresh && !l.reconciled {
		return nil
	}
	return s.write(l)
}

func newLedger(name string) (*Ledger, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	return &Ledger{ID: hex.EncodeToString(id[:]), Name: name, Next: 1}, nil
}

// write replaces ledger.json, and then removes what it does not name any more.
func (s Store) write(l *Ledger) error {
	l.forget()
	body, err := l.marshal()
	if err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(s.dir(), ledgerName), body); err != nil {
		return failed("write the ledger in", s.dir(), err)
	}
	return s.sweep(l)
}

// Reservation is what a bundle is that gets a number.
type Reservation struct {
	Bundle string // its ID
	Dir    string
	Config string // see [Ledger]
	// Stream and Sequence are what the bundle's journal has from an earlier run, if anything.
	Stream   bundle.Stream
	Sequence int
	Partial  bool // it is of a part of the configuration's images alone
	Content  Content
	Catalogs []Keep
	Lost     func(Catalog, error)    // learns of a catalog that could not be read, which is not kept
	Seen     []Seen                  // of whatever stream: a ledger from an old backup does not know them
	Raised   func(next int, by Seen) // learns that the ledger was about to give number next, which another bundle may have
}

// Seen is a bundle that has a number, as something else than the ledger says.
type Seen struct {
	Stream   bundle.Stream
	Bundle   string // its ID
	Sequence int
	Where    string // what says so, such as "the receipt"
}

// mostAhead is by how much a number may be ahead of the ledger: one that is false would use up all.
const mostAhead = 1 << 12

// Reserve gives a bundle its number, and keeps what it needs. The same bundle gets the same
// number again; no other bundle ever gets it.
func (s Store) Reserve(r Reservation) (bundle.Stream, int, error) {
	if err := s.makeDirs(); err != nil {
		return bundle.Stream{}, 0, err
	}
	content, catalogs, err := s.keep(r)
	if err != nil {
		return bundle.Stream{}, 0, err
	}
	defer func() {
		for _, t := range append(catalogs, content) {
			t.drop()
		}
	}()
	var stream bundle.Stream
	var sequence int
	err = s.change(func(l *Ledger) (bool, error) {
		b := l.reserve(r)
		if err := content.as(contentFile(r.Bundle)); err != nil {
			return false, err
		}
		b.Content, b.Catalogs, b.Count = contentFile(r.Bundle), nil, r.Content.count()
		for i, t := range catalogs {
			if t == nil {
				continue
			}
			if err := t.as(catalogFile(t.sum)); err != nil {
				return false, err
			}
			c := r.Catalogs[i].Catalog
			c.File = catalogFile(t.sum)
			b.Catalogs = append(b.Catalogs, c)
		}
		stream, sequence = l.Stream(), b.Sequence
		return true, nil
	})
	return stream, sequence, err
}

// reserve gives the entry of a bundle, a new one if there is none.
func (l *Ledger) reserve(r Reservation) *Bundle {
	l.Config = r.Config
	if b := l.find(r.Bundle); b != nil {
		return b
	}
	// A ledger from a backup does not know the number that the bundle has already.
	number := l.Next
	if r.Stream == l.Stream() && r.Sequence > 0 {
		number = max(number, r.Sequence)
	} else if by, ahead := l.ahead(r); ahead {
		number = by.Sequence + 1
		if r.Raised != nil {
			r.Raised(l.Next, by)
		}
	}
	l.Next = number + 1
	l.Bundles = append(l.Bundles, Bundle{Sequence: number, Bundle: r.Bundle, Partial: r.Partial, Dir: r.Dir, Reserved: now()})
	return &l.Bundles[len(l.Bundles)-1]
}

// ahead finds the bundle of the stream with the highest number, if the ledger does not know that.
func (l *Ledger) ahead(r Reservation) (by Seen, is bool) {
	for _, s := range r.Seen {
		if s.Stream == l.Stream() && s.Bundle != r.Bundle && s.Sequence >= l.Next && s.Sequence < l.Next+mostAhead && s.Sequence > by.Sequence {
			by, is = s, true
		}
	}
	return by, is
}

// Sealed notes that a bundle of the stream is finished. One that the ledger does not know,
// such as when it comes from a backup, is added with the number that its seal has.
func (s Store) Sealed(found bundle.Seal, dir string) error {
	if l, err := Read(s.state, s.name); err != nil || l == nil || found.Stream != l.Stream() {
		return err // of a ledger that is gone, or of none
	}
	return s.change(func(l *Ledger) (bool, error) {
		b := l.find(found.Bundle)
		switch {
		case found.Stream != l.Stream():
			return false, nil
		case b != nil && b.Fingerprint == found.Fingerprint && (b.Verified || !found.Verified):
			return false, nil
		case b == nil:
			if b = l.insert(found, dir); b == nil {
				return false, nil
			}
		}
		b.Fingerprint, b.Verified = found.Fingerprint, found.Verified
		if b.Sealed.IsZero() {
			b.Sealed = found.Created
		}
		if b.Sealed.IsZero() {
			b.Sealed = now()
		}
		return true, nil
	})
}

// insert adds a bundle that was found sealed, unless its number is another one's.
func (l *Ledger) insert(found bundle.Seal, dir string) *Bundle {
	at := 0
	for at < len(l.Bundles) && l.Bundles[at].Sequence < found.Sequence {
		at++
	}
	if at < len(l.Bundles) && l.Bundles[at].Sequence == found.Sequence {
		return nil
	}
	b := Bundle{Sequence: found.Sequence, Bundle: found.Bundle, Partial: found.Partial, Dir: dir, Reserved: now()}
	l.Bundles = slices.Insert(l.Bundles, at, b)
	l.Next = max(l.Next, found.Sequence+1)
	return &l.Bundles[at]
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
