package catalog

import (
	"bufio"
	"bytes"
	"io"
)

// WriteDocuments writes all documents as JSON, one after another: those that are of no
// package, then package by package, each sort by name. Another [Parse] takes them as one file.
func (c *Catalog) WriteDocuments(w io.Writer) error {
	out := bufio.NewWriterSize(w, readSize)
	names := []string{""}
	for _, p := range c.Packages {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	for _, name := range names {
		for _, e := range c.spool.of(name) {
			body, err := c.spool.read(e)
			if err != nil {
				return err
			}
			body = append(bytes.TrimRight(body, "\n"), '\n')
			if _, err := out.Write(body); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}
