package objects

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// wrong says first what is wrong in words, then where.
func (o Reader) wrong(err error) error { return fmt.Errorf("%s: %w", o.Wrong, err) }

// yamlReader takes YAML apart by lines, so that one item is parsed at a time: in a
// block sequence each begins with a hyphen at the column of the first, and all else
// of an item stands to the right of that.
type yamlReader struct {
	Reader
	rest   []byte // of the document, but for its items
	item   []byte // that was begun
	list   bool   // the document has items
	inside bool   // they have not ended
	column int    // of their hyphens; -1 before the first
}

// yaml reads documents of YAML.
func (o Reader) yaml(r *bufio.Reader) error {
	y := &yamlReader{Reader: o}
	for {
		line, err := y.readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if lerr := y.line(line); lerr != nil {
			return lerr
		}
		if err != nil {
			return y.end()
		}
	}
}

// readLine reads a line with its end.
func (o Reader) readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > Max {
			return nil, o.tooLarge()
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (y *yamlReader) line(line []byte) error {
	text := bytes.TrimRight(line, " \r\n")
	body := bytes.TrimLeft(text, " ")
	column := len(text) - len(body)
	switch {
	case bytes.Equal(text, []byte("---")) || bytes.HasPrefix(text, []byte("--- ")) || bytes.Equal(text, []byte("...")):
		return y.end()
	case len(body) == 0 || body[0] == '#' && column == 0:
	case !y.inside:
		if bytes.Equal(text, []byte("items:")) {
			y.list, y.inside, y.column = true, true, -1
			return nil
		}
	case body[0] == '-' && (len(body) == 1 || body[1] == ' ') && (y.column < 0 || column == y.column):
		y.column = column
		if err := y.endItem(); err != nil {
			return err
		}
	case column == 0:
		y.inside = false
		if err := y.endItem(); err != nil {
			return err
		}
	}
	into := &y.rest
	if y.inside {
		into = &y.item
	}
	if *into = append(*into, line...); len(*into) > Max {
		return y.tooLarge()
	}
	return nil
}

// endItem takes the item that was begun, if any.
func (y *yamlReader) endItem() error {
	if err := y.dense(y.item); err != nil {
		return err
	}
	var list []json.RawMessage
	if err := yaml.Unmarshal(y.item, &list); err != nil {
		return y.wrong(err)
	}
	y.item = y.item[:0]
	for _, body := range list {
		if err := y.Object(body); err != nil {
			return err
		}
	}
	return nil
}

// end takes the document.
func (y *yamlReader) end() error {
	if err := y.endItem(); err != nil {
		return err
	}
	if err := y.dense(y.rest); err != nil {
		return err
	}
	body, err := yaml.YAMLToJSON(y.rest)
	var doc struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"` // on one line
	}
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err != nil {
		return y.wrong(err)
	}
	empty, list := bytes.Equal(bytes.TrimSpace(body), []byte("null")), y.list || doc.Items != nil
	y.rest, y.list, y.inside = y.rest[:0], false, false
	switch {
	case list:
		for _, one := range doc.Items {
			if err := y.Object(one); err != nil {
				return err
			}
		}
		return y.Reader.list(doc.APIVersion, doc.Kind)
	case empty:
		return nil
	}
	return y.Object(body)
}
