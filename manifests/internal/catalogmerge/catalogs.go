package catalogmerge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Catalog is a catalog of today joined with a kept one. It is on disk until it is closed.
type Catalog struct {
	// Packages says, by name, what must be left of those that the kept catalog has.
	Packages map[string]Keep
	f        *tempfile.File
	size     int64
}

// Keep is what of a package must be left.
type Keep struct {
	Channels map[string][]string // names of bundles
	Default  string              // the default channel of the kept package
	Notes    []string
}

// Add wants in addition what must be left of packages that a newer kept catalog has, with which
// today's was joined before.
func (c *Catalog) Add(newer map[string]Keep) {
	for name, first := range newer {
		one, both := c.Packages[name]
		if !both {
			c.Packages[name] = first
			continue
		}
		for channel, bundles := range first.Channels {
			one.Channels[channel] = text.Sorted(slices.Concat(bundles, one.Channels[channel]))
		}
		one.Default = first.Default
		for _, note := range first.Notes {
			if !slices.Contains(one.Notes, note) {
				one.Notes = append(one.Notes, note)
			}
		}
		c.Packages[name] = one
	}
}

// RefusedError says that a package cannot be joined.
type RefusedError struct {
	What    string // the catalog
	Package string
	Err     error
}

func (e *RefusedError) Error() string {
	return text.ASCII(fmt.Sprintf("%s: package %q: join it with what an earlier bundle carried: %v", e.What, e.Package, e.Err))
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *RefusedError) Hint() string {
	return "see what its catalog did with that version; to carry only what the catalog has today, have it replace the earlier one"
}

// Permanent reports that the same catalogs always give this error.
func (e *RefusedError) Permanent() bool { return true }

// maxRefused is of how many packages of one catalog it is said that they cannot be joined.
const maxRefused = 10

// Join joins a catalog, as [catalog.Catalog.Write] stored it, with the documents of a kept
// one. what names the catalog. The error is a *[RefusedError] for each package that cannot be
// joined.
func Join(what string, today, kept io.Reader) (_ *Catalog, err error) {
	second, err := storedFile(what+", as an earlier bundle carried it", kept)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, second.close()) }()
	a, err := catalog.NewReader(today)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	b, err := catalog.NewReader(second.open())
	if err != nil {
		return nil, err
	}
	defer b.Close()
	j := joining{what: what, keep: map[string]Keep{}}
	c, err := catalog.Join(a, b, j.one)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := errors.Join(j.refused...); err != nil {
		return nil, err
	}
	out, err := stored(c)
	if err != nil {
		return nil, err
	}
	return &Catalog{Packages: j.keep, f: out.f, size: out.size}, nil
}

// Open gives the catalog as [catalog.NewReader] reads it.
func (c *Catalog) Open() io.ReadCloser { return io.NopCloser(file{c.f, c.size}.open()) }

// Close frees the file.
func (c *Catalog) Close() error { return c.f.Close() }

type joining struct {
	what    string
	keep    map[string]Keep
	refused []error
}

func (j *joining) one(today, kept *declcfg.DeclarativeConfig) (*catalog.Joined, error) {
	if len(kept.Packages) != 1 {
		return nil, fmt.Errorf("%s, as an earlier bundle carried it, has %d packages of one name", j.what, len(kept.Packages))
	}
	name := kept.Packages[0].Name
	m, err := Package(today, kept)
	if err != nil {
		if len(j.refused) < maxRefused {
			j.refused = append(j.refused, &RefusedError{j.what, name, err})
		}
		return &catalog.Joined{Config: *today}, nil
	}
	j.keep[name] = Keep{m.Keep, m.Default, m.Notes}
	return &catalog.Joined{Config: m.Config, Second: m.Kept}, nil
}

// file is a stored catalog.
type file struct {
	f    *tempfile.File
	size int64
}

func (f file) open() io.Reader { return io.NewSectionReader(f.f, 0, f.size) }
func (f file) close() error    { return f.f.Close() }

// storedFile stores a catalog that is one file of documents.
func storedFile(what string, r io.Reader) (_ file, err error) {
	c, err := catalog.ParseFile(what, r)
	if err != nil {
		return file{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if len(c.Faults) > 0 {
		return file{}, fmt.Errorf("read %s: %s", what, c.Faults[0].Why)
	}
	return stored(c)
}

func stored(c *catalog.Catalog) (_ file, err error) {
	f, err := tempfile.New("a catalog joined with an earlier one")
	if err != nil {
		return file{}, err
	}
	out := file{f: f}
	w := bufio.NewWriter(io.MultiWriter(f, &out))
	if err := errors.Join(c.Write(w), w.Flush()); err != nil {
		return file{}, errors.Join(err, f.Close())
	}
	return out, nil
}

// Write counts.
func (f *file) Write(p []byte) (int, error) {
	f.size += int64(len(p))
	return len(p), nil
}
