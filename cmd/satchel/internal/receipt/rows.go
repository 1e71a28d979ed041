package receipt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// row is a list of whole numbers and strings.
type row []any

// rows is a list of rows.
type rows []row

// Bounds of all rows of one list together: a receipt may come from an enemy, and what is
// read takes many times the memory of its text.
const (
	maxRows  = 1 << 18
	maxItems = 1 << 20
)

func words[T ~string](list []T) row {
	w := make(row, len(list))
	for i, s := range list {
		w[i] = string(s)
	}
	return w
}

// digests reads a row of nothing but digests; none is nil.
func (w row) digests() (list []digest.Digest, err error) {
	for i := range w {
		d, err := w.word(i)
		if err != nil {
			return nil, err
		}
		list = append(list, digest.Digest(d))
	}
	return list, nil
}

// number is a whole number of a row, below limit.
func (w row) number(i, limit int) (int, error) {
	if i < len(w) {
		if n, ok := w[i].(float64); ok && n >= 0 && n < float64(limit) && n == float64(int(n)) {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("a row has no number below %d at its place %d", limit, i)
}

// word is a string of a row.
func (w row) word(i int) (string, error) {
	if i < len(w) {
		if s, ok := w[i].(string); ok {
			return s, nil
		}
	}
	return "", fmt.Errorf("a row has no string at its place %d", i)
}

// UnmarshalJSON reads one row.
func (w *row) UnmarshalJSON(b []byte) error {
	list, err := readRows(b, 1)
	if err == nil && len(list) == 1 {
		*w = list[0]
	}
	return err
}

// UnmarshalJSON reads rows.
func (r *rows) UnmarshalJSON(b []byte) (err error) {
	*r, err = readRows(b, 2)
	return err
}

// readRows reads rows that lie depth arrays deep, item by item, and stops at the bounds.
func readRows(b []byte, depth int) (list rows, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	for open, items := 0, 0; ; items++ {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if items > maxItems || len(list) > maxRows {
			return nil, fmt.Errorf("a list has more than %d rows, or %d items", maxRows, maxItems)
		}
		switch token := token.(type) {
		case json.Delim:
			switch {
			case token == '[' && open < depth:
				if open++; open == depth {
					list = append(list, nil)
				}
			case token == ']':
				if open--; open == 0 {
					return list, nil
				}
			default:
				return nil, fmt.Errorf("a list has a %q where an item is expected", token.String())
			}
		case float64, string:
			if open != depth {
				return nil, fmt.Errorf("a list has an item where a row is expected")
			}
			list[len(list)-1] = append(list[len(list)-1], token)
		default:
			return nil, fmt.Errorf("a list has %v", token)
		}
	}
}
