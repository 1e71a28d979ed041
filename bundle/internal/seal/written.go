package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"
)

// written is a seal whose text can be given piece by piece.
type written interface {
	text() (iter.Seq[[]byte], error)
}

// pieces is the text of v, which has an empty list under key where list belongs; add appends the text
// of one element. A long list never stands in memory as text.
func pieces[T any](v any, key string, list []T, add func([]byte, T) []byte) (iter.Seq[[]byte], error) {
	body, err := marshal(v)
	if err != nil {
		return nil, err
	}
	empty := []byte(`"` + key + `": []`) // stands in no string: there, quotes are escaped
	head, after, _ := bytes.Cut(body, empty)
	return func(yield func([]byte) bool) {
		if len(list) == 0 {
			yield(body)
			return
		}
		line := append(slices.Clone(head), empty[:len(empty)-1]...)
		for i, element := range list {
			if i > 0 {
				line = append(line, ',')
			}
			if line = add(append(line, "\n  "...), element); !yield(line) {
				return
			}
			line = line[:0]
		}
		yield(append(append(line, "\n ]"...), after...))
	}, nil
}

// addFile appends a file as [json.MarshalIndent] writes it: names and sums have nothing that is escaped.
func addFile(b []byte, f File) []byte {
	return fmt.Appendf(b, "{\n   \"name\": \"%s\",\n   \"size\": %d,\n   \"sha256\": \"%s\"\n  }", f.Name, f.Size, f.SHA256)
}

func addGroup(b []byte, g ParityGroup) []byte {
	body, _ := json.MarshalIndent(g, "  ", " ") // it has strings and numbers, and nothing that fails
	return append(b, body...)
}

// collect gives a text as a whole.
func collect(v written) (b []byte, err error) {
	text, err := v.text()
	if err != nil {
		return nil, err
	}
	for piece := range text {
		b = append(b, piece...)
	}
	return b, nil
}

// asWritten checks that the bytes are those of v, written as the format asks: there
// is one way to write a seal, and nothing can hide in another. Keys that this
// version does not know may stand among the others; more reports whether any do.
func asWritten(b []byte, v written) (more bool, err error) {
	text, err := v.text()
	switch {
	case err != nil:
	case isText(b, text):
		return false, nil
	case !isIndented(b):
		err = errors.New("indentation")
	default:
		if more, err = contains(b, text); err == nil && !more {
			err = errors.New("keys, order or spaces")
		}
	}
	if err != nil {
		return false, fmt.Errorf("%w: it is not written as the format asks: %w", ErrFormat, err)
	}
	return true, nil
}

func isText(b []byte, text iter.Seq[[]byte]) bool {
	for piece := range text {
		rest, ok := bytes.CutPrefix(b, piece)
		if !ok {
			return false
		}
		b = rest
	}
	return len(b) == 0
}

// isIndented reports whether valid JSON stands as [json.Indent] writes it, with a newline at the end.
func isIndented(b []byte) bool {
	depth, at := 0, 0
	line := func() bool { // a newline and spaces, and no more of them
		end := at + 1 + depth
		ok := end < len(b) && b[at] == '\n' && len(bytes.TrimLeft(b[at+1:end], " ")) == 0 && b[end] != ' ' && b[end] != '\n'
		at = end
		return ok
	}
	for at < len(b)-1 {
		c := b[at]
		if c == '"' {
			at = stringEnd(b, at)
		}
		at++
		ok := true
		switch {
		case c == '{' || c == '[':
			if at < len(b) && (b[at] == '}' || b[at] == ']') {
				at++
				break
			}
			depth++
			ok = line()
		case c == ',':
			ok = line()
		case c == ':':
			at++
			ok = at < len(b) && b[at-1] == ' ' && b[at] != ' ' && b[at] != '\n'
		case c == '\n':
			at--
			depth--
			ok = depth >= 0 && line() && (b[at] == '}' || b[at] == ']')
			at++
		case c == ' ' || c == '\t' || c == '\r' || c == '}' || c == ']':
			ok = false
		}
		if !ok {
			return false
		}
	}
	return at == len(b)-1 && b[at] == '\n'
}

// stringEnd is the place of the quote that ends the string that starts at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b)-1 && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// CheckElements reports JSON whose arrays have more elements than those of any file that is valid:
// a small file of many empty ones would take much memory when it is decoded.
func CheckElements(b []byte) error {
	_, err := CountElements(b)
	return err
}

// CountElements is [CheckElements] that gives the number of elements too.
func CountElements(b []byte) (n int, err error) {
	var open []byte // what is open, '{' or '['
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			if open = append(open, c); len(open) > maxDepth {
				return n, fmt.Errorf("%w: it is nested deeper than %d levels", ErrFormat, maxDepth)
			}
			if c == '[' {
				n++
			}
		case '}', ']':
			open = open[:max(0, len(open)-1)]
		case ',':
			if len(open) > 0 && open[len(open)-1] == '[' {
				n++
			}
		}
		if n > maxElements {
			return n, fmt.Errorf("%w: its lists have more than %d elements", ErrFormat, maxElements)
		}
	}
	return n, nil
}

// contains checks that a file has all of the known content, under the same names and in the same
// order; more reports whether it has anything else.
func contains(file []byte, known iter.Seq[[]byte]) (more bool, err error) {
	r := &pieceReader{}
	next, stop := iter.Pull(known)
	defer stop()
	r.next = next
	c := comparison{file: json.NewDecoder(bytes.NewReader(file)), known: json.NewDecoder(r)}
	c.file.UseNumber()
	c.known.UseNumber()
	err = c.value(true)
	return c.more, err
}

// pieceReader reads a text that comes in pieces.
type pieceReader struct {
	next func() ([]byte, bool)
	rest []byte
}

func (r *pieceReader) Read(p []byte) (n int, err error) {
	for len(r.rest) == 0 {
		var ok bool
		if r.rest, ok = r.next(); !ok {
			return 0, io.EOF
		}
	}
	n = copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

const (
	maxKeys     = 1000    // of an object of a seal
	maxElements = 1 << 19 // of all lists of a file; parity.json of as many groups as there may be has 512,487
	maxDepth    = 10_000  // as [encoding/json] has it
)

// comparison reads a file beside what this version knows of it.
type comparison struct {
	file, known *json.Decoder
	more        bool // the file has what is not known
}

var errDiffers = errors.New("keys, values or order")

// value reads one value of the file. A known one must be what comes next of the known text; any other
// may be anything in which no object has a key twice.
func (c *comparison) value(known bool) error {
	token, err := c.file.Token()
	if err != nil {
		return err
	}
	if known {
		if want, err := c.known.Token(); err != nil || want != token {
			return errDiffers
		}
	}
	switch token {
	case json.Delim('{'):
		err = c.fields(known)
	case json.Delim('['):
		for err == nil && c.file.More() {
			if known && !c.known.More() {
				return errDiffers
			}
			err = c.value(known)
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if _, err = c.file.Token(); err == nil && known {
		if c.known.More() {
			return errDiffers
		}
		_, err = c.known.Token()
	}
	return err
}

// fields reads the fields of an object. Keys that differ in case alone count as
// the same: some readers take one for the other.
func (c *comparison) fields(known bool) error {
	seen := map[string]bool{}
	var want json.Token // the key that comes next of the known ones
	for c.file.More() {
		token, err := c.file.Token()
		if err != nil {
			return err
		}
		key := token.(string) // keys are strings
		if name := folded(key); seen[name] {
			return fmt.Errorf("key %.64q twice", key)
		} else if seen[name] = true; len(seen) > maxKeys {
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		if known && want == nil && c.known.More() {
			if want, err = c.known.Token(); err != nil {
				return err
			}
		}
		isKnown := known && want == token
		if isKnown {
			want = nil
		}
		c.more = c.more || !isKnown
		if err := c.value(isKnown); err != nil {
			return err
		}
	}
	if want != nil {
		return errDiffers
	}
	return nil
}

// folded gives keys that [encoding/json] takes for the same field the same text.
func folded(key string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, key)
}
