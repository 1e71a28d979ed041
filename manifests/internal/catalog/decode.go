package catalog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	// maxMarks bounds the values of a document: a decoded value takes up to 100
	// times the bytes it is written in. 20 times the largest document that was seen.
	maxMarks = 1 << 19
	// costOfNode is what a value counts in addition to its length where aliases are followed.
	costOfNode = 32
)

// meta decodes one document. The error is short and of one line.
func (d document) meta() (*declcfg.Meta, error) {
	if d.marks() > maxMarks {
		return nil, fmt.Errorf("it has more than %d values", maxMarks)
	}
	if err := d.checkAliases(); err != nil {
		return nil, err
	}
	m := new(declcfg.Meta)
	if d.json {
		return m, m.UnmarshalJSON(d.body)
	}
	return m, sigsyaml.Unmarshal(d.body, m)
}

// marks counts the bytes that part values from each other. In YAML it counts
// those within strings too, which only a parser could tell apart.
func (d document) marks() int {
	if !d.json {
		n := bytes.Count(d.body, []byte("- "))
		for _, mark := range []string{",", ":", "\n", "[", "{", "?"} {
			n += bytes.Count(d.body, []byte(mark))
		}
		return n
	}
	n := 0
	for i := 0; i < len(d.body); i++ {
		switch d.body[i] {
		case ',', ':', '[', '{':
			n++
		case '"':
			i = endOfString(d.body, i)
		}
	}
	return n
}

// endOfString is the place of the quote that ends the JSON string which begins at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		k := bytes.IndexAny(b[i:], `"\`)
		if k < 0 {
			break
		}
		if i += k; b[i] == '"' {
			return i
		}
		i++ // what is escaped
	}
	return len(b)
}

// checkAliases refuses a document that is small and stands for a huge one.
func (d document) checkAliases() error {
	if d.json || !hasAnchor(d.body) {
		return nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(d.body, &root); err != nil {
		return err
	}
	if weight(&root, map[*yaml.Node]int{}) > maxDocument {
		return errors.New("it is too large once its YAML aliases are followed")
	}
	return nil
}

// hasAnchor reports whether there may be a YAML anchor, without which there is no
// alias. None follows a letter or a digit.
func hasAnchor(b []byte) bool {
	for i, c := range b {
		if c == '&' && (i == 0 || !isAlphanumeric(b[i-1])) && i+1 < len(b) && b[i+1] != ' ' {
			return true
		}
	}
	return false
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// weight is the size of a value, aliases counted as what they stand for, up to
// little more than maxDocument.
func weight(n *yaml.Node, known map[*yaml.Node]int) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if w, ok := known[n]; ok {
		return w
	}
	if n.Anchor != "" {
		known[n] = maxDocument + 1 // until it is known: what holds itself has no end
	}
	w := costOfNode + len(n.Value)
	for _, c := range n.Content {
		w = min(w+weight(c, known), maxDocument+1)
	}
	if n.Anchor != "" {
		known[n] = w
	}
	return w
}
