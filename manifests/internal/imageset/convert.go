package imageset

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
	"github.com/satchel-airgap/satchel/oci"
)

const apiVersion1 = groupMirror + "v1alpha2"

// AdviceConvert is what to do about a file of oc-mirror v1.
const AdviceConvert = "have the file rewritten for v2alpha1"

// Convert rewrites an ImageSetConfiguration of v1alpha2, which oc-mirror v1 reads, as
// v2alpha1, with its comments. changes lists, in the order of the file, what is not as it
// was; the error joins what is still wrong afterwards, with places in the result.
func Convert(name string, data []byte) (out []byte, changes []*ConfigError, err error) {
	if _, err := strict.Parse(data); err != nil {
		return nil, nil, located(name, err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	c := converter{file: name}
	root := doc.Content[0]
	version := valueOf(root, "apiVersion")
	if version == nil || version.Value != apiVersion1 {
		p := NewProblems(name, strict.Places{})
		p.AddAt(strict.Pos{Line: root.Line, Column: root.Column}, "", "only a file of %s can be rewritten", apiVersion1)
		return nil, nil, p.Join()
	}
	version.Value = apiVersionImageSet
	c.known(root, reflect.TypeFor[Config](), "")
	slices.SortStableFunc(c.changes, func(a, b *ConfigError) int { return a.Line - b.Line })
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, nil, fmt.Errorf("rewrite %s: %w", name, err)
	}
	_, err = Parse("the result for "+name, buf.Bytes())
	return buf.Bytes(), c.changes, err
}

type converter struct {
	file    string
	changes []*ConfigError
}

func (c *converter) note(n *yaml.Node, format string, args ...any) {
	c.changes = append(c.changes, &ConfigError{File: c.file, Line: n.Line, Column: n.Column, Msg: fmt.Sprintf(format, args...)})
}

// valueOf gives the value of a key, nil for none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return n.Content[i+1]
		}
	}
	return nil
}

// known takes out the keys that a type does not have.
func (c *converter) known(n *yaml.Node, t reflect.Type, at string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, item := range n.Content {
			c.known(item, t.Elem(), fmt.Sprintf("%s[%d]", at, i))
		}
		return
	case n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct:
		return
	}
	if t == reflect.TypeFor[Operator]() {
		c.targetName(n, at)
	}
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := strings.TrimPrefix(at+"."+key.Value, ".")
		field, ok := fieldOf(t, key.Value)
		if !ok && key.Value != "<<" {
			c.note(key, "%s is left out: %s", path, lossOf(key.Value))
			continue
		}
		if ok {
			c.known(value, field, path)
		}
		kept = append(kept, key, value)
	}
	n.Content = kept
}

// fieldOf gives the type of a field by its key.
func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" && strings.EqualFold(name, key) {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

// lossOf says why a key has no place in v2alpha1.
func lossOf(key string) string {
	switch strings.ToLower(key) {
	case "storageconfig":
		return "oc-mirror v1 kept its state there; satchel keeps its own"
	case "bundles", "minbundle":
		return "only oc-mirror v1 selected single bundles; select by channel and version"
	case "headsonly":
		return "v2alpha1 carries the heads unless a package has versions or the catalog has full: true"
	}
	return "v2alpha1 has no such key"
}

// targetName makes a targetCatalog of it.
func (c *converter) targetName(n *yaml.Node, at string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !strings.EqualFold(key.Value, "targetName") {
			continue
		}
		catalog := valueOf(n, "catalog")
		if catalog == nil || valueOf(n, "targetCatalog") != nil {
			return // it is left out as unknown
		}
		was := value.Value
		if ref, err := oci.ParseRef(catalog.Value); err == nil {
			value.Value = path.Join(path.Dir(ref.Repository), was)
		}
		key.Value = "targetCatalog"
		c.note(key, "%s.targetName %s becomes targetCatalog %s", at, was, value.Value)
		return
	}
}
