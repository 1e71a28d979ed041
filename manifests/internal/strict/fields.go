package strict

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/satchel-airgap/satchel/oci/text"
)

// field is a key that a struct type has.
type field struct {
	key   string
	index []int
	typ   reflect.Type
}

// fieldsOf lists the keys of a struct type by its json tags, those of embedded
// structs among them.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for _, f := range reflect.VisibleFields(t) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && key != "" && key != "-" {
			list = append(list, field{key, f.Index, f.Type})
		}
	}
	return list
}

// find looks a key up without regard to case. For an unknown key the field has
// the key and nothing else.
func (d *decoder) find(t reflect.Type, key string) field {
	list, ok := d.fields[t]
	if !ok {
		list = fieldsOf(t)
		d.fields[t] = list
	}
	for _, f := range list {
		if strings.EqualFold(f.key, key) {
			return f
		}
	}
	return field{key: key}
}

func dot(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func in(path string) string {
	if path == "" {
		return " at the top level"
	}
	return " in " + path
}

// unknown reports a key that t does not have, with the one that was perhaps meant.
func (d *decoder) unknown(at Pos, key, path string, t reflect.Type) {
	e := errAt(at, "unknown key %q%s", shorten(key), in(path))
	if similar := nearest(t, key); similar != "" {
		e.Msg += fmt.Sprintf("; did you mean %q?", similar)
	} else if homes := homesOf(d.root, key, ""); len(homes) == 1 {
		e.Msg += fmt.Sprintf("; it belongs%s", in(homes[0]))
	}
	e.Unknown = key
	d.errs = append(d.errs, e)
}

func shorten(key string) string {
	const longest = 60
	if len(key) <= longest {
		return key
	}
	end := longest
	for !utf8.RuneStart(key[end]) {
		end--
	}
	return key[:end] + "..."
}

// homesOf lists the paths below t where a key is known.
func homesOf(t reflect.Type, key, path string) []string {
	var homes []string
	for _, f := range fieldsOf(t) {
		if strings.EqualFold(f.key, key) {
			homes = append(homes, path)
		}
		sub, below := f.typ, dot(path, f.key)
		if sub.Kind() == reflect.Slice {
			sub, below = sub.Elem(), below+"[]"
		}
		if sub.Kind() == reflect.Struct {
			homes = append(homes, homesOf(sub, key, below)...)
		}
	}
	return homes
}

// nearest is the key of t that differs from key by a typing slip, or "".
func nearest(t reflect.Type, key string) string {
	best, least := "", 0
	for _, f := range fieldsOf(t) {
		limit := min(2, len(f.key)/2)
		if len(key) < len(f.key)-limit || len(key) > len(f.key)+limit {
			continue
		}
		if n := text.Distance(strings.ToLower(f.key), strings.ToLower(key)); n <= limit && (best == "" || n < least) {
			best, least = f.key, n
		}
	}
	return best
}
