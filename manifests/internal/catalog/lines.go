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
const Format = 2

// header is the first line.
type header struct {
	Format   int `json:"format"`
	Packages int `json:"packages"`
}

// line is that of one package, before its documents.
type line struct {
	Package
	Documents int `json:"documents"`
}

// Write keeps packages, sorted by name, as lines for [Read], each with the
// documents of the package.
func (c *Catalog) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, readSize)
	enc := json.NewEncoder(out)
	if err := enc.Encode(header{Format, len(c.Packages)}); err != nil {
		return err
	}
	for _, p := range c.Packages {
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

// Read gives what [Catalog.Write] wrote to visit, one package at a time, by name,
// with its documents, which visit reads or leaves. It fails if the lines are not
// all there.
func Read(r io.Reader, visit func(*Package, *Documents) error) error {
	in := bufio.NewReaderSize(r, readSize)
	var h header
	if err := readLine(in, &h); err != nil {
		return fmt.Errorf("first line: %w", err)
	}
	if h.Format != Format {
		return fmt.Errorf("it has format %d, not %d", h.Format, Format)
	}
	docs := &Documents{in: in}
	defer docs.close()
	for i := range h.Packages {
		var l line
		if err := readLine(in, &l); err != nil {
			return fmt.Errorf("package %d of %d: %w", i+1, h.Packages, err)
		}
		docs.pkg, docs.left = l.Name, l.Documents
		if err := visit(&l.Package, docs); err != nil {
			return err
		}
		if err := docs.skip(); err != nil {
			return fmt.Errorf("package %d of %d: %w", i+1, h.Packages, err)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return errors.Join(errors.New("something follows its last package"), err)
	}
	return nil
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
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
