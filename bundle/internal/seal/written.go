package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// asWritten checks that the bytes are those of v, written as the format asks: there
// is one way to write a seal, and nothing can hide in another. Keys that this
// version does not know may stand among the others; more reports whether any do.
func asWritten[T interface{ Marshal() ([]byte, error) }](b []byte, v T) (more bool, err error) {
	same, err := v.Marshal()
	if err == nil && bytes.Equal(same, b) {
		return false, nil
	}
	if err == nil {
		var known T
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if dec.Decode(&known) == nil {
			err = errors.New("keys, order or spaces")
		} else if err = wellFormed(b); err == nil {
			err = contains(b, same)
		}
	}
	if err != nil {
		return false, fmt.Errorf("%w: it is not written as the format asks: %w", ErrFormat, err)
	}
	return true, nil
}

// wellFormed checks indentation. The size comes first: a small text that is nested
// deep would take much memory when it is indented.
func wellFormed(b []byte) error {
	var buf bytes.Buffer
	if indentedSize(b)+1 != len(b) || b[len(b)-1] != '\n' {
		return errors.New("indentation")
	}
	if err := json.Indent(&buf, b, "", " "); err != nil {
		return err
	}
	if !bytes.Equal(buf.Bytes(), b) {
		return errors.New("indentation")
	}
	return nil
}

// indentedSize is how many bytes valid JSON has when [json.Indent] wrote it, less
// what follows it.
func indentedSize(b []byte) (n int) {
	depth, opened := 0, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			continue
		}
		closes := c == '}' || c == ']'
		if opened && !closes {
			n += 1 + depth
		}
		if closes {
			if depth--; !opened {
				n += 1 + depth
			}
		}
		opened = c == '{' || c == '['
		n++
		switch {
		case opened:
			depth++
		case c == ',':
			n += 1 + depth
		case c == ':':
			n++
		case c == '"':
			end := stringEnd(b, i)
			n += end - i
			i = end
		}
	}
	return n
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

// contains checks that a file holds all of the known content, under the same names.
func contains(file, known []byte) error {
	var part any
	dec := json.NewDecoder(bytes.NewReader(known))
	dec.UseNumber()
	if err := dec.Decode(&part); err != nil {
		return err
	}
	dec = json.NewDecoder(bytes.NewReader(file))
	dec.UseNumber()
	return holds(dec, part, true)
}

// maxKeys is how many keys an object of a seal may have.
const maxKeys = 1000

// holds reads one value, which must be part, or have what part has; a value that
// this version does not know may be anything in which no object has a key twice.
func holds(dec *json.Decoder, part any, known bool) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		fields, ok := part.(map[string]any)
		if known && !ok {
			return errors.New("keys or values")
		}
		err = holdsFields(dec, fields)
	case json.Delim('['):
		list, ok := part.([]any)
		if known && !ok {
			return errors.New("keys or values")
		}
		err = holdsList(dec, list, known)
	default:
		if known && token != part {
			return errors.New("keys or values")
		}
		return nil
	}
	if err == nil {
		_, err = dec.Token()
	}
	return err
}

// holdsFields reads the fields of an object. Keys that differ in case alone count as
// the same: some readers take one for the other.
func holdsFields(dec *json.Decoder, fields map[string]any) error {
	seen, found := map[string]bool{}, 0
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key := token.(string) // keys are strings
		if name := folded(key); seen[name] {
			return fmt.Errorf("key %.64q twice", key)
		} else if seen[name] = true; len(seen) > maxKeys {
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		part, known := fields[key]
		if known {
			found++
		}
		if err := holds(dec, part, known); err != nil {
			return err
		}
	}
	if found < len(fields) {
		return errors.New("keys or values")
	}
	return nil
}

func holdsList(dec *json.Decoder, list []any, known bool) error {
	n := 0
	for ; dec.More(); n++ {
		var part any
		if known && n < len(list) {
			part = list[n]
		} else if known {
			break
		}
		if err := holds(dec, part, known); err != nil {
			return err
		}
	}
	if known && (n < len(list) || dec.More()) {
		return errors.New("keys or values")
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
