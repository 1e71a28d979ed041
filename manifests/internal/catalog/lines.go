package catalog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Format is the version of what [Write] writes.
const Format = 1

// header is the first line.
type header struct {
	Format   int `json:"format"`
	Packages int `json:"packages"` // how many lines follow
}

// Write keeps packages, sorted by name, as lines for [Read].
func Write(w io.Writer, list []Package) error {
	enc := json.NewEncoder(w)
	if err := enc.Encode(header{Format, len(list)}); err != nil {
		return err
	}
	for i := range list {
		if err := enc.Encode(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// Read gives what [Write] wrote to visit, one package at a time, by name. It
// fails if the lines are not all there.
func Read(r io.Reader, visit func(*Package) error) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, readSize))
	var h header
	if err := dec.Decode(&h); err != nil {
		return fmt.Errorf("first line: %w", short(err))
	}
	if h.Format != Format {
		return fmt.Errorf("it has format %d, not %d", h.Format, Format)
	}
	for i := range h.Packages {
		var p Package
		if err := dec.Decode(&p); err != nil {
			return fmt.Errorf("package %d of %d: %w", i+1, h.Packages, short(err))
		}
		if err := visit(&p); err != nil {
			return err
		}
	}
	if dec.More() {
		return errors.New("something follows its last package")
	}
	return nil
}

// short is io.ErrUnexpectedEOF for an end that comes too early.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
