package index

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// maxKeys is how many keys an object of a line may have.
const maxKeys = 100

// knownKeys are the keys of all lines, by their text in small letters.
var knownKeys = sync.OnceValue(func() map[string]string {
	keys := map[string]string{}
	addKeys(keys, reflect.TypeFor[line](), map[reflect.Type]bool{})
	return keys
})

// addKeys adds the keys of a type and of all that it holds.
func addKeys(keys map[string]string, t reflect.Type, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			keys[strings.ToLower(name)] = name
		}
		addKeys(keys, f.Type, seen)
	}
}

// checkKeys refuses what two readers may take for two things, in valid JSON: an object that has a
// key twice, in capitals or not, a known key in other letters, and keys that are not plain ASCII.
func checkKeys(b []byte) error {
	known := knownKeys()
	var open [][][]byte // of each value that is open its keys so far, nil for a list
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := i + 1
			for b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			text := b[i+1 : end]
			i = end
			if rest := bytes.TrimLeft(b[end+1:], " \t\r\n"); len(rest) == 0 || rest[0] != ':' {
				continue // a value
			}
			keys := &open[len(open)-1]
			if err := checkKey(text, *keys, known); err != nil {
				return err
			}
			*keys = append(*keys, text)
		}
	}
	return nil
}

// checkKey checks one key of an object beside those that stand before it.
func checkKey(key []byte, before [][]byte, known map[string]string) error {
	for _, c := range key {
		if c >= 0x80 || c == '\\' {
			return fmt.Errorf("key %.64q is not plain ASCII", key)
		}
	}
	if len(before) == maxKeys {
		return fmt.Errorf("more than %d keys", maxKeys)
	}
	for _, other := range before {
		if bytes.EqualFold(key, other) {
			return fmt.Errorf("key %.64q twice", key)
		}
	}
	if exact, ok := known[strings.ToLower(string(key))]; ok && exact != string(key) {
		return fmt.Errorf("key %.64q, which is written %q", key, exact)
	}
	return nil
}
