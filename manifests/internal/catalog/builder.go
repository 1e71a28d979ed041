package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	maxIndex  = 64 << 20 // bytes that are stored of a catalog
	maxIgnore = 1 << 20  // bytes of one .indexignore
	maxFaults = 100      // files whose faults are reported
	maxAgain  = 1000     // files that layers have twice
	maxText   = 200      // bytes of what another package says is wrong
)

// source is a file of the catalog.
type source struct {
	name   string // path in the image
	ignore []byte // of an .indexignore: its content
	fault  error  // the first thing in it that could not be read; counts unless it is ignored
	pkgs   []string
}

// Records are what was read, with the number of the file.
type (
	packageRecord struct{ file, name, channel string }
	channelRecord struct {
		file, pkg string
		Channel
	}
	bundleRecord struct {
		file, pkg string
		Bundle
		related            []int // into images
		provides, requires []int // likewise
	}
	faultRecord struct {
		pkg string
		Fault
	}
)

// builder gathers the index of a catalog. Which files count is known at the end
// only, when every .indexignore was seen.
type builder struct {
	what    string
	sources []source
	pkgs    []packageRecord
	chans   []channelRecord
	bundles []bundleRecord
	faults  []faultRecord
	refs    []objectRef
	seen    map[string]bool // names of files
	again   int             // how often one was read again

	spool *spool

	images []string // related images and the like, each once: many bundles share them
	number map[string]int
	size   int
}

func newBuilder(what string, s *spool) *builder {
	return &builder{what: what, spool: s, number: map[string]int{}, seen: map[string]bool{}}
}

func (b *builder) refuse(format string, args ...any) error {
	return &oci.UnsupportedError{What: b.what, Why: fmt.Sprintf(format, args...)}
}

// file reads one file. Its faults are recorded for later; the error is one that ends it all.
func (b *builder) file(name string, r io.Reader) error {
	if err := b.keep(len(name)); err != nil {
		return err
	}
	if b.seen[name] { // a layer has it again, and the last counts
		if b.again++; b.again > maxAgain {
			return b.refuse("its layers have the same files more than %d times", maxAgain)
		}
		b.forget(name)
	}
	b.seen[name] = true
	src := source{name: name}
	in := &failing{r: r}
	if path.Base(name) == ignoreFile {
		src.ignore, src.fault = readIgnore(in)
	} else {
		src.fault = b.documents(&src, newDocuments(in))
	}
	b.sources = append(b.sources, src)
	var full *fullError
	var none *layers.LinkError
	switch {
	case errors.As(in.err, &none): // which counts unless it is ignored
		b.sources[len(b.sources)-1].fault = none
		return nil
	case in.err != nil:
		return in.err
	case errors.As(src.fault, &full):
		return full.err
	}
	return nil
}

// forget takes back what was read of a file.
func (b *builder) forget(name string) {
	b.sources = slices.DeleteFunc(b.sources, func(s source) bool { return s.name == name })
	b.pkgs = slices.DeleteFunc(b.pkgs, func(r packageRecord) bool { return r.file == name })
	b.chans = slices.DeleteFunc(b.chans, func(r channelRecord) bool { return r.file == name })
	b.bundles = slices.DeleteFunc(b.bundles, func(r bundleRecord) bool { return r.file == name })
	b.faults = slices.DeleteFunc(b.faults, func(r faultRecord) bool { return r.File == "/"+name })
	b.refs = slices.DeleteFunc(b.refs, func(r objectRef) bool { return r.file == name })
	for i := range b.spool.list {
		if k := &b.spool.list[i]; k.file == name {
			k.file = lostFile
		}
	}
}

// failing remembers why a file could not be read, which is no fault of its content.
type failing struct {
	r   io.Reader
	err error // other than io.EOF
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

func readIgnore(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxIgnore+1))
	if err == nil && len(body) > maxIgnore {
		err = fmt.Errorf("it has more than %d bytes", maxIgnore)
	}
	return body, err
}

// documents reads those of a file. The error is of the first that could not be read, or
// one that ends it all.
func (b *builder) documents(src *source, docs *documents) (first error) {
	if bytes.HasPrefix(docs.start(), []byte(sqliteHead)) {
		return fmt.Errorf("it is an SQLite database, which is not read; %s", whatToDo)
	}
	for n := 1; ; n++ {
		doc, lost := docs.next()
		if errors.Is(lost, io.EOF) {
			return first
		}
		err := lost
		if err == nil {
			err = b.document(src, doc)
		}
		var full *fullError
		switch {
		case err == nil:
			continue
		case errors.As(err, &full):
			return err
		case docs.why != nil && !doc.json && n <= docs.given+1:
			err = docs.why // the file looks like JSON, so this is the better answer
		}
		if first == nil {
			first = fmt.Errorf("document %d: %w", n, err)
		}
		if lost != nil {
			return first
		}
	}
}

// blame records what is wrong with a document of a package, or a part of it.
func (b *builder) blame(file, pkg, schema, name string, err error) error {
	f := Fault{"/" + file, schema, cut(name), plain(err.Error())}
	b.faults = append(b.faults, faultRecord{pkg, f})
	return b.keep(len(file) + len(f.Why))
}

// fullError says that the index became too large, or the disk is full: no more may
// be read.
type fullError struct{ err error }

func (e *fullError) Error() string { return e.err.Error() }

// keep counts bytes that stay in memory.
func (b *builder) keep(n int) error {
	const overhead = 64 // of a record or a name
	if b.size += n + overhead; b.size > maxIndex {
		return &fullError{b.refuse("its names, versions and images alone take more than %d MiB", maxIndex>>20)}
	}
	return nil
}

// image gives the number of a related image, or of other text that is stored once.
func (b *builder) image(ref string) (int, error) {
	n, ok := b.number[ref]
	if ok {
		b.size += 8
		return n, nil
	}
	n = len(b.images)
	b.images, b.number[ref] = append(b.images, ref), n
	return n, b.keep(len(ref))
}

// related lists images, or the like, by their numbers, sorted, each once.
func (b *builder) related(numbers []int) []string {
	var list []string
	for _, n := range numbers {
		list = append(list, b.images[n])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// fileFaults are those of the files that count, by name. All that is in a directory with
// a package's name, as catalogs have it, may be about that package.
func (b *builder) fileFaults(dir string, counts func(name string) bool) (list []FileFault) {
	slices.SortFunc(b.sources, func(a, c source) int { return strings.Compare(a.name, c.name) })
	for _, s := range b.sources {
		if s.fault == nil || !counts(s.name) || len(list) == maxFaults {
			continue
		}
		pkgs := s.pkgs
		if top, _, ok := strings.Cut(below(dir, s.name), "/"); ok {
			pkgs = append(pkgs, top)
		}
		slices.Sort(pkgs)
		list = append(list, FileFault{"/" + s.name, slices.Compact(pkgs), plain(s.fault.Error())})
	}
	return list
}

// below is a name from the catalog's directory on.
func below(dir, name string) string { return strings.TrimPrefix("/"+name, dir+"/") }

// plain is text of elsewhere for one line of a terminal: its first line, not too
// long, with nothing that a terminal obeys.
func plain(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}
