package imageset

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// plain reports whether nothing in a tree is an alias or a merge.
func plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return false
	}
	for _, sub := range n.Content {
		if !plain(sub) {
			return false
		}
	}
	return true
}

// expand puts what they stand for in the place of aliases and merge keys, so that a part
// can be changed or taken out without another that refers to it.
func expand(doc *yaml.Node) error {
	left := maxNodes
	root, err := expanded(doc.Content[0], &left)
	if err == nil {
		*doc.Content[0] = *root
	}
	return err
}

// expanded copies a tree.
func expanded(n *yaml.Node, left *int) (*yaml.Node, error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("it has more than %d values once its aliases are followed", maxNodes)
	}
	if n.Kind == yaml.AliasNode {
		return expanded(n.Alias, left)
	}
	c := *n
	c.Anchor, c.Content = "", nil
	var merged []*yaml.Node
	for i, sub := range n.Content {
		e, err := expanded(sub, left)
		if err != nil {
			return nil, err
		}
		switch {
		case n.Kind != yaml.MappingNode:
		case i%2 == 0 && e.ShortTag() == "!!merge":
			continue
		case i%2 == 1 && n.Content[i-1].ShortTag() == "!!merge":
			merged = append(merged, e)
			continue
		}
		c.Content = append(c.Content, e)
	}
	for _, m := range merged {
		merge(&c, m)
	}
	return &c, nil
}

// merge adds the keys of a mapping, or of a list of them, that are not there yet.
func merge(into, from *yaml.Node) {
	if from.Kind == yaml.SequenceNode {
		for _, m := range from.Content {
			merge(into, m)
		}
		return
	}
	for i := 0; from.Kind == yaml.MappingNode && i+1 < len(from.Content); i += 2 {
		if indexOf(into, from.Content[i].Value) < 0 {
			into.Content = append(into.Content, from.Content[i], from.Content[i+1])
		}
	}
}
