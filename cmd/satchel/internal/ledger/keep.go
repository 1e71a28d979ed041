package ledger

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

// Keep is a filtered catalog that is to be kept.
type Keep struct {
	Catalog
	Write func(io.Writer) error // writes its documents, the same bytes each time
}

const (
	contentPrefix = "content-"
	catalogPrefix = "catalog-"
	keptSuffix    = ".json.gz"
)

func contentFile(id string) string  { return contentPrefix + id + keptSuffix }
func catalogFile(sum string) string { return catalogPrefix + sum + keptSuffix }

// keep writes what is kept of a bundle into files that nobody refers to yet, nil for a
// catalog that could not be read: it may take a while, and the ledger is not locked.
func (s Store) keep(r Reservation) (content *kept, catalogs []*kept, err error) {
	defer func() {
		if err != nil {
			for _, t := range append(catalogs, content) {
				t.drop()
			}
		}
	}()
	if content, err = s.compress(func(w io.Writer) error { return r.Content.write(r.Bundle, w) }); err != nil {
		return content, catalogs, err
	}
	for _, c := range r.Catalogs {
		t, err := s.compress(c.Write)
		if disk := (*bundle.StateError)(nil); err != nil && !errors.As(err, &disk) && r.Lost != nil {
			t.drop()
			r.Lost(c.Catalog, err)
			t, err = nil, nil
		}
		catalogs = append(catalogs, t)
		if err != nil {
			return content, catalogs, err
		}
	}
	return content, catalogs, nil
}

// kept is a file that has no name of its own yet.
type kept struct {
	f    *os.File
	sum  string // SHA-256 of what is compressed in it
	done bool
}

func (s Store) compress(write func(io.Writer) error) (t *kept, err error) {
	durable.Sweep(s.dir(), durable.Temp)
	f, err := os.CreateTemp(s.dir(), durable.Temp)
	for err == nil && !durable.Own(f) { // another run took it for left over, before it was locked
		_ = f.Close()
		f, err = os.CreateTemp(s.dir(), durable.Temp)
	}
	if err != nil {
		return nil, failed("write to the ledger in", s.dir(), err)
	}
	t = &kept{f: f}
	disk := &refusing{w: f}
	z := gzip.NewWriter(disk)
	sum := summing{z, sha256.New()}
	if err = errors.Join(write(sum), z.Close()); err == nil {
		err = f.Sync()
	}
	if disk.err != nil { // what of the source is an error is not the disk's
		return t, failed("write to the ledger in", s.dir(), disk.err)
	}
	t.sum = hex.EncodeToString(sum.h.Sum(nil))
	return t, err
}

// summing hashes what passes.
type summing struct {
	w io.Writer
	h hash.Hash
}

func (s summing) Write(p []byte) (int, error) {
	s.h.Write(p)
	return s.w.Write(p)
}

// refusing remembers what the disk refused.
type refusing struct {
	w   io.Writer
	err error
}

func (r *refusing) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	r.err = errors.Join(r.err, err)
	return n, err
}

// as gives the file its name. It is durable once the ledger is.
func (t *kept) as(name string) error {
	path := filepath.Join(filepath.Dir(t.f.Name()), name)
	if err := os.Rename(t.f.Name(), path); err != nil {
		return failed("write to the ledger in", filepath.Dir(path), err)
	}
	t.done = true
	return nil
}

// drop closes the file, and removes it if it got no name.
func (t *kept) drop() {
	if t == nil {
		return
	}
	if !t.done {
		_ = os.Remove(t.f.Name()) // the next run removes what stays
	}
	_ = t.f.Close() // it was synced
}

// forget takes the names of files from bundles whose content is not kept any more.
func (l *Ledger) forget() {
	recent, counted := l.recent(), append(l.counted(), l.Arrived())
	for i := range l.Bundles {
		b := &l.Bundles[i]
		if slices.Contains(recent, b.Sequence) || slices.Contains(counted, b) {
			continue
		}
		b.Content = ""
		for k := range b.Catalogs {
			b.Catalogs[k].File = ""
		}
	}
}

// sweep removes files that the ledger does not name.
func (s Store) sweep(l *Ledger) error {
	named := map[string]bool{}
	for _, b := range l.Bundles {
		named[b.Content] = true
		for _, c := range b.Catalogs {
			named[c.File] = true
		}
	}
	entries, err := os.ReadDir(s.dir())
	if err != nil {
		return failed("read the ledger's directory", s.dir(), err)
	}
	for _, e := range entries {
		name := e.Name()
		ours := strings.HasSuffix(name, keptSuffix) && (strings.HasPrefix(name, contentPrefix) || strings.HasPrefix(name, catalogPrefix))
		if ours && !named[name] {
			if err := os.Remove(filepath.Join(s.dir(), name)); err != nil {
				return failed("remove what is not kept any more from the ledger in", s.dir(), err)
			}
		}
	}
	return nil
}
