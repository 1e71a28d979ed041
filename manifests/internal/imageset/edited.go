package imageset

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edit changes one value of a configuration's file.
type Edit struct {
	Path  string // such as mirror.platform.channels[0].minVersion; a list grows by its next element
	Value string // empty takes the key out
}

// Edited is the configuration's file with other values, and its own comments. It passes
// [Parse].
func (c *Config) Edited(edits []Edit) ([]byte, error) {
	name := c.file
	var doc yaml.Node
	if err := yaml.Unmarshal(c.data, &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("read %s: there is nothing in it", name)
	}
	root := doc.Content[0]
	if !plain(root) {
		if err := expand(&doc); err != nil {
			return nil, fmt.Errorf("rewrite %s: %w", name, err)
		}
	}
	for _, e := range edits {
		edit(root, strings.FieldsFunc(e.Path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }), e.Value)
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("rewrite %s: %w", name, err)
	}
	if _, err := Parse(name, buf.Bytes()); err != nil {
		return nil, fmt.Errorf("rewrite %s: the result cannot be read: %w", name, err)
	}
	return buf.Bytes(), nil
}

// edit sets the value at the end of a path of keys and places in lists.
func edit(n *yaml.Node, path []string, value string) {
	key, last := path[0], len(path) == 1
	if i, err := strconv.Atoi(key); err == nil {
		become(n, yaml.SequenceNode)
		if i == len(n.Content) {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
		}
		edit(n.Content[i], path[1:], value)
		return
	}
	become(n, yaml.MappingNode)
	i := indexOf(n, key)
	switch {
	case i < 0 && value == "":
		return
	case i < 0:
		i = len(n.Content)
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"})
	case last && value == "":
		keepComment(n, i)
		n.Content = slices.Delete(n.Content, i, i+2)
		return
	}
	if !last {
		edit(n.Content[i+1], path[1:], value)
		return
	}
	v := n.Content[i+1]
	v.Kind, v.Tag, v.Value, v.Content = yaml.ScalarNode, "!!str", value, nil
}

// become makes a value of the kind, if it has none of its own: such as the value of a key that
// is new.
func become(n *yaml.Node, kind yaml.Kind) {
	if n.Kind == kind {
		return
	}
	n.Kind, n.Tag, n.Value, n.Style = kind, map[yaml.Kind]string{yaml.SequenceNode: "!!seq", yaml.MappingNode: "!!map"}[kind], "", 0
}
