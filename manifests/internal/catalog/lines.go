package catalog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Format is the version of what [Catalog.Write] writes.
const Format = 5

// header is the first line.
type header struct {
	Format   int         `json:"format"`
	Packages int         `json:"packages"` // with the one that has no name
	Faults   []FileFault `json:"faults,omitempty"`
}

// line is that of one package, before its documents.
type line struct {
	Package
	Documents int `json:"documents"`
}

// Write keeps packages, sorted by name, as lines for [Reader], each with the
// documents of the package; and before them the documents that are of none.
func (c *Catalog) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, readSize)
	enc := json.NewEncoder(out)
	list := c.Packages
	if len(c.spool.of("")) > 0 {
		list = append([]Package{{}}, list...)
	}
	if err := enc.Encode(header{Format, len(list), c.Faults}); err != nil {
		return err
	}
	for _, p := range list {
		list := c.spool.of(p.Name)
		if err := enc.Encode(line{p, len(list)}); err != nil {
			return err
		}
		for _, k := range list {
			if err := c.spool.write(out, k); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// Reader gives what [Catalog.Write] wrote, one package at a time.
type Reader struct {
	// Faults are of files that could not be read, or of parts of them.
	Faults []FileFault

	in        *bufio.Reader
	all, left int // packages
	docs      *Documents
}

// NewReader begins to read.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReaderSize(r, readSize)
	var h header
	if err := readLine(in, &h); err != nil {
		return nil, fmt.Errorf("first line: %w", err)
	}
	if h.Format != Format {
		return nil, fmt.Errorf("it has format %d, not %d", h.Format, Format)
	}
	return &Reader{h.Faults, in, h.Packages, h.Packages, &Documents{in: in}}, nil
}

// Next gives the next package, by name, with its documents, which are read or left;
// io.EOF after the last. A package without a name has the documents that are of none,
// and comes first. The error is another if the lines are not all there.
func (r *Reader) Next() (*Package, *Documents, error) {
	if err := r.docs.skip(); err != nil {
		return nil, nil, fmt.Errorf("package %d of %d: %w", r.all-r.left, r.all, err)
	}
	if r.left == 0 {
		if _, err := r.in.ReadByte(); err != io.EOF {
			return nil, nil, errors.Join(errors.New("something follows its last package"), err)
		}
		return nil, nil, io.EOF
	}
	r.left--
	var l line
	if err := readLine(r.in, &l); err != nil {
		return nil, nil, fmt.Errorf("package %d of %d: %w", r.all-r.left, r.all, err)
	}
	r.docs.pkg, r.docs.left = l.Name, l.Documents
	return &l.Package, r.docs, nil
}

// Close frees what reading takes.
func (r *Reader) Close() { r.docs.close() }

// Read gives what [Catalog.Write] wrote to visit, in the order of [Reader.Next].
func Read(r io.Reader, visit func(*Package, *Documents) error) error {
	in, err := NewReader(r)
	if err != nil {
		return err
	}
	defer in.Close()
	for {
		p, docs, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = visit(p, docs)
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads one line of JSON, which must be whole.
func readLine(in *bufio.Reader, v any) error {
	b, err := in.ReadBytes('\n')
	if err != nil {
		return short(err)
	}
	return json.Unmarshal(bytes.TrimSuffix(b, []byte("\n")), v)
}

// short is io.ErrUnexpectedEOF for an end that comes too early.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
