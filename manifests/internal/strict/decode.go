package strict

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxValues = 1 << 18 // values read, each alias counted as what it stands for
	maxMerges = 16      // merge keys within merge keys
	maxErrors = 20      // problems reported of one document
)

// Place is where a value stands: its key, or its dash in a list, and itself.
type Place struct{ Key, Value Pos }

// Places gives the place of every value that was read, by path.
type Places map[string]Place

// Of is the place of the value at path or, where that is absent, of the nearest
// value around it.
func (p Places) Of(path string) Place {
	for {
		if place, ok := p[path]; ok || path == "" {
			return place
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// Decode fills the struct that into points to. Its fields may be strings,
// bools, int64s, structs, slices of these, and whatever is an
// [encoding.TextUnmarshaler], which is read from a string. Null and empty lists
// leave a field as it is. The error joins up to 20 *[Error]s.
func (d *Document) Decode(into any) (Places, error) { return d.decode(into, false) }

// Peek is [Document.Decode] that skips keys which into does not have.
func (d *Document) Peek(into any) (Places, error) { return d.decode(into, true) }

func (d *Document) decode(into any, lax bool) (Places, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("decode YAML into %T: want a pointer to a struct", into)
	}
	dec := decoder{lax: lax, root: v.Elem().Type(), fields: map[reflect.Type][]field{}, places: Places{}}
	dec.value(d.root, posOfNode(d.root), "", v.Elem())
	return dec.places, join(dec.errs)
}

type decoder struct {
	lax    bool
	root   reflect.Type
	fields map[reflect.Type][]field
	places Places
	values int
	errs   []*Error
}

func (d *decoder) fail(p Pos, format string, args ...any) {
	d.errs = append(d.errs, errAt(p, format, args...))
}

// spent reports whether reading must end, and counts one value more.
func (d *decoder) spent(p Pos) bool {
	d.values++
	if d.values == maxValues {
		d.errs = nil
		d.fail(p, "the file holds more than %d values once its aliases are followed", maxValues)
	}
	return d.values >= maxValues || len(d.errs) >= maxErrors
}

func (d *decoder) value(n *yaml.Node, key Pos, path string, v reflect.Value) {
	n = follow(n)
	if d.spent(key) {
		return
	}
	d.places[path] = Place{Key: key, Value: posOfNode(n)}
	if isNull(n) {
		return
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, path, t)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	default:
		d.scalar(n, path, v)
	}
}

func (d *decoder) text(n *yaml.Node, path string, t encoding.TextUnmarshaler) {
	var s string
	errs := len(d.errs)
	if d.scalar(n, path, reflect.ValueOf(&s).Elem()); len(d.errs) > errs {
		return
	}
	if err := t.UnmarshalText([]byte(s)); err != nil {
		d.fail(posOfNode(n), "%s: %v", path, err)
	}
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(posOfNode(n), "%s must be a list, not %s", path, describe(n))
		return
	}
	for i, item := range n.Content {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(item, posOfNode(item), fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(posOfNode(n), "%s must be a mapping of keys to values, not %s", path, describe(n))
		return
	}
	d.keys(n, path, v, map[string]Pos{}, 0)
}

// keys reads the keys of a mapping that are not set yet, then those that it
// merges: its own go before merged ones (yaml.org/type/merge.html).
func (d *decoder) keys(n *yaml.Node, path string, v reflect.Value, set map[string]Pos, merges int) {
	own := map[string]Pos{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := follow(n.Content[i]), n.Content[i+1]
		at := posOfNode(n.Content[i])
		switch {
		case d.spent(at):
			return
		case key.Kind != yaml.ScalarNode:
			d.fail(at, "a key%s must be a plain word, not %s", in(path), describe(key))
			continue
		case key.ShortTag() == "!!merge":
			merged = append(merged, val)
			continue
		}
		f := d.find(v.Type(), key.Value)
		if before, ok := own[f.key]; ok {
			d.fail(at, "key %q%s is there twice; the first is on line %d", key.Value, in(path), before.Line)
			continue
		}
		own[f.key] = at
		switch _, ok := set[f.key]; {
		case ok:
		case f.index != nil:
			d.value(val, at, dot(path, f.key), v.FieldByIndex(f.index))
		case !d.lax:
			d.unknown(at, key.Value, path, v.Type())
		}
	}
	maps.Copy(set, own)
	for _, m := range merged {
		d.merge(m, path, v, set, merges+1)
	}
}

// merge reads what a merge key names: a mapping or a list of mappings, of which
// the first to have a key wins.
func (d *decoder) merge(n *yaml.Node, path string, v reflect.Value, set map[string]Pos, merges int) {
	at := posOfNode(n)
	n = follow(n)
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, m := range list {
		m = follow(m)
		switch {
		case d.spent(at):
			return
		case m.Kind != yaml.MappingNode:
			d.fail(at, "a merge key%s must be a mapping, not %s", in(path), describe(m))
		case merges > maxMerges:
			d.fail(at, "merge keys%s go more than %d deep", in(path), maxMerges)
		default:
			d.keys(m, path, v, set, merges)
		}
	}
}
