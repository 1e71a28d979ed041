package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// wellFormed checks indentation, and that no object has a key twice.
func wellFormed(b []byte) error {
	var buf bytes.Buffer
	if err := json.Indent(&buf, b, "", " "); err != nil {
		return err
	}
	if !bytes.Equal(buf.Bytes(), b) || !bytes.HasSuffix(b, []byte("}\n")) || bytes.HasSuffix(b, []byte("\n\n")) {
		return errors.New("indentation")
	}
	return uniqueKeys(json.NewDecoder(bytes.NewReader(b)))
}

// uniqueKeys reads one value. Keys that differ in case alone count as the same:
// some readers take one for the other.
func uniqueKeys(dec *json.Decoder) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			name := strings.ToLower(key.(string)) // keys are strings
			if seen[name] {
				return fmt.Errorf("key %q twice", name)
			}
			seen[name] = true
		}
		if err := uniqueKeys(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// contains checks that a file holds all of the known content, under the same names.
func contains(file, known []byte) error {
	var all, part any
	for body, into := range map[*[]byte]*any{&file: &all, &known: &part} {
		dec := json.NewDecoder(bytes.NewReader(*body))
		dec.UseNumber()
		if err := dec.Decode(into); err != nil {
			return err
		}
	}
	if !within(all, part) {
		return errors.New("keys or values")
	}
	return nil
}

func within(all, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		all, ok := all.(map[string]any)
		for k, v := range part {
			other, there := all[k]
			ok = ok && there && within(other, v)
		}
		return ok
	case []any:
		all, ok := all.([]any)
		ok = ok && len(all) == len(part)
		for i := 0; ok && i < len(part); i++ {
			ok = within(all[i], part[i])
		}
		return ok
	}
	return all == part
}
