package imageset

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

const apiVersion1 = groupMirror + "v1alpha2"

// AdviceConvert is what to do about a file of oc-mirror v1.
const AdviceConvert = "have the file rewritten for v2alpha1, with the changes above"

// maxNodes is how many nodes of YAML a file may have once its aliases are followed.
const maxNodes = 1 << 16

// Convert rewrites an ImageSetConfiguration of v1alpha2, which oc-mirror v1 reads, as
// v2alpha1, with its comments. changes lists, in the order of the file, what is not as it
// was. The error joins what is wrong with the file beyond that; there is a result only
// without one, and it passes [Parse], [Config.CheckSupported] and [Config.CheckNotEmpty].
// All places are those of the file.
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
		at := root
		if version != nil {
			at = version
		}
		p.AddAt(strict.Pos{Line: at.Line, Column: at.Column}, "", "only a file of %s can be rewritten", apiVersion1)
		return nil, nil, p.Join()
	}
	if !plain(root) {
		if err := expand(&doc); err != nil {
			return nil, nil, fmt.Errorf("rewrite %s: %w", name, err)
		}
	}
	version = valueOf(root, "apiVersion")
	version.Value = apiVersionImageSet
	c.known(root, reflect.TypeFor[Config](), "")
	slices.SortStableFunc(c.changes, func(a, b *ConfigError) int { return a.Line - b.Line })
	if err := usable(decode(name, strict.Of(root))); err != nil {
		return nil, c.changes, err
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, c.changes, fmt.Errorf("rewrite %s: %w", name, err)
	}
	if err := usable(Parse(name, buf.Bytes())); err != nil {
		return nil, c.changes, fmt.Errorf("rewrite %s: the result cannot be read: %w", name, err)
	}
	return buf.Bytes(), c.changes, nil
}

// usable asks a configuration what plan asks it before it looks for images.
func usable(c *Config, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(c.CheckSupported(), c.CheckNotEmpty())
}

type converter struct {
	file    string
	changes []*ConfigError
}

func (c *converter) note(n *yaml.Node, format string, args ...any) {
	c.changes = append(c.changes, &ConfigError{File: c.file, Line: n.Line, Column: n.Column, Msg: fmt.Sprintf(format, args...)})
}

// indexOf gives the place of a key in the content of a mapping, -1 for none.
func indexOf(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return i
		}
	}
	return -1
}

// valueOf gives the value of a key, nil for none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if i := indexOf(n, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// textOf gives the text that a key has, "" for none.
func textOf(n *yaml.Node, key string) string {
	if v := valueOf(n, key); v != nil && v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" {
		return v.Value
	}
	return ""
}

// listOf gives the mappings in the list that a key has.
func listOf(n *yaml.Node, key string) (list []*yaml.Node) {
	v := valueOf(n, key)
	if v == nil || v.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range v.Content {
		if item.Kind == yaml.MappingNode {
			list = append(list, item)
		}
	}
	return list
}

// remove takes a key out, and lists it with the reason.
func (c *converter) remove(n *yaml.Node, key, at, why string) {
	i := indexOf(n, key)
	if i < 0 {
		return
	}
	c.note(n.Content[i], "%s is left out: %s", below(at, n.Content[i].Value), why)
	keepComment(n, i)
	n.Content = slices.Delete(n.Content, i, i+2)
}

// keepComment gives the comment above the first key of a mapping, which may be about the
// whole of it, to the next.
func keepComment(n *yaml.Node, i int) {
	if i == 0 && len(n.Content) > 2 {
		n.Content[2].HeadComment = strings.TrimPrefix(n.Content[2].HeadComment, "\n")
		if above := n.Content[0].HeadComment; above != "" {
			n.Content[2].HeadComment = strings.TrimSuffix(above+"\n"+n.Content[2].HeadComment, "\n")
		}
	}
}

func below(at, key string) string { return strings.TrimPrefix(at+"."+key, ".") }

// known rewrites what is written in another way in v2alpha1, and takes out the keys that
// a type does not have.
func (c *converter) known(n *yaml.Node, t reflect.Type, at string) {
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, item := range n.Content {
			c.known(item, t.Elem(), fmt.Sprintf("%s[%d]", at, i))
		}
		return
	case n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct:
		return
	}
	c.rewrite(n, t, at)
	for i := 0; i+1 < len(n.Content); {
		key := n.Content[i]
		field, ok := fieldOf(t, key.Value)
		if !ok {
			c.remove(n, key.Value, at, lossOf(key.Value))
			continue
		}
		c.known(n.Content[i+1], field, below(at, key.Value))
		i += 2
	}
}

// fieldOf gives the type of a field that stays by its key.
func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" && strings.EqualFold(name, key) {
			return t.Field(i).Type, t.Field(i).Type != reflect.TypeFor[[]Sample]()
		}
	}
	return nil, false
}

// lossOf says why a key has no place in v2alpha1.
func lossOf(key string) string {
	switch strings.ToLower(key) {
	case "storageconfig":
		return "oc-mirror v1 kept its state there; satchel keeps its own"
	case "samples":
		return "oc-mirror read it and carried nothing for it; name such images under additionalImages"
	case "bundles", "minbundle":
		return "only oc-mirror v1 selected single bundles; select by channel and version"
	case "originalref":
		return "oc-mirror v1 did not use it since 4.13"
	case "headsonly":
		return "v2alpha1 carries the heads unless a package has versions or the catalog has full: true"
	}
	return "v2alpha1 has no such key"
}
