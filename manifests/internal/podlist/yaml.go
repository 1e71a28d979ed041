package podlist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// noPods says first what is wrong in words, then where.
func noPods(err error) error {
	return fmt.Errorf("it is neither a pod nor a list of pods: %w", err)
}

// yamlReader takes YAML apart by lines, so that one item is parsed at a time: in a
// block sequence each begins with a hyphen at the column of the first, and all else
// of an item stands to the right of that.
type yamlReader struct {
	*reader
	rest   []byte // of the document, but for its items
	item   []byte // that was begun
	list   bool   // the document has items
	inside bool   // they have not ended
	column int    // of their hyphens; -1 before the first
}

// yaml reads documents of YAML.
func (p *reader) yaml(r *bufio.Reader) error {
	y := &yamlReader{reader: p}
	for {
		line, err := readLine(r)
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
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxPod {
			return nil, errTooLarge
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
	if *into = append(*into, line...); len(*into) > maxPod {
		return errTooLarge
	}
	return nil
}

// endItem takes the item that was begun, if any.
func (y *yamlReader) endItem() error {
	var list []pod
	if err := yaml.Unmarshal(y.item, &list); err != nil {
		return noPods(err)
	}
	y.item = y.item[:0]
	for i := range list {
		if err := y.pod(&list[i]); err != nil {
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
	var doc struct {
		pod
		Items []pod `json:"items"` // on one line
	}
	if err := yaml.Unmarshal(y.rest, &doc); err != nil {
		return noPods(err)
	}
	empty, list := len(bytes.TrimSpace(y.rest)) == 0, y.list || doc.Items != nil
	y.rest, y.list, y.inside = y.rest[:0], false, false
	switch {
	case list:
		for i := range doc.Items {
			if err := y.pod(&doc.Items[i]); err != nil {
				return err
			}
		}
		return checkList(doc.Kind)
	case empty:
		return nil
	}
	return y.pod(&doc.pod)
}
