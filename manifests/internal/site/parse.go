package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

var (
	// namePattern is a DNS-1123 subdomain, as names of ConfigMaps are.
	namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	// keyPattern is a key of a ConfigMap (Kubernetes, "ConfigMaps").
	keyPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`) })
	// scopePattern is an entry of registrySources: HOST[:PORT][/PATH[:TAG or @DIGEST]] or *.DOMAIN.
	scopePattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(\*\.[A-Za-z0-9.-]+|([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/([A-Za-z0-9._/-]*|[A-Za-z0-9._/-]*[A-Za-z0-9](:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})))?)$`)
	})
)

// peek reads the fields that into has, and ignores the others. Its errors have the
// place and nothing of the content: it may be the wrong file, with secrets in it.
func peek(file string, data []byte, into any) (*imageset.Problems, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: "the file is empty"}
	}
	doc, err := strict.Parse(data)
	if err != nil {
		return nil, withoutContent(file, err, "this is not one object in YAML or JSON, as oc prints it")
	}
	return peekIn(file, doc, into)
}

// peekIn is peek in a document that was read.
func peekIn(file string, doc *strict.Document, into any) (*imageset.Problems, error) {
	places, err := doc.Peek(into)
	if err != nil {
		return nil, withoutContent(file, err, "this field has another type or is there twice")
	}
	return imageset.NewProblems(file, places), nil
}

// maxPresent is the largest file of present objects that is read, in bytes.
const maxPresent = 8 << 20

// eachDocument gives each document of a file that has objects as oc prints them: a list, an
// object, or several of these. Its errors have nothing of the content.
func eachDocument(file string, data []byte, do func(*strict.Document) error) error {
	fault := func(line, column int, format string, args ...any) error {
		return &imageset.ConfigError{File: file, Line: line, Column: column, Msg: fmt.Sprintf(format, args...)}
	}
	const wrong = "these are no objects in YAML or JSON, as oc prints them"
	if len(data) > maxPresent {
		return fault(1, 1, "the file has %d bytes; at most %d are read", len(data), maxPresent)
	}
	documents := 0
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF) && documents == 0:
			return fault(1, 1, "the file is empty")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fault(1, 1, wrong)
		}
		root := doc.Content[0]
		switch {
		case root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null":
			continue // nothing after ---
		case root.Kind != yaml.MappingNode:
			return fault(root.Line, root.Column, wrong)
		}
		documents++
		if err := do(strict.Of(root)); err != nil {
			return err
		}
	}
}

// withoutContent gives the places of errors, all with one message.
func withoutContent(file string, err error, msg string) error {
	var list []error
	for _, e := range strict.Errors(err) {
		list = append(list, &imageset.ConfigError{File: file, Line: e.Line, Column: e.Column, Msg: msg})
	}
	if list == nil {
		list = append(list, &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: msg})
	}
	return errors.Join(list...)
}

// texts reads a ConfigMap's mapping of keys to texts; nil where it is absent.
func texts(p *imageset.Problems, data []byte, field string) map[string]string {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		p.AddAt(strict.Pos{Line: 1, Column: 1}, "", "%s cannot be read", field)
		return nil
	}
	var found *yaml.Node
	for i, n := range doc.Content[0].Content {
		if i%2 == 0 && n.Value == field {
			found = doc.Content[0].Content[i+1]
		}
	}
	if found == nil || found.ShortTag() == "!!null" {
		return nil
	}
	at := func(n *yaml.Node) strict.Pos { return strict.Pos{Line: n.Line, Column: n.Column} }
	if found.Kind != yaml.MappingNode {
		p.AddAt(at(found), "", "%s must be a mapping of keys to text", field)
		return nil
	}
	list := map[string]string{}
	for i := 0; i+1 < len(found.Content); i += 2 {
		key, val := found.Content[i], found.Content[i+1]
		_, twice := list[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !keyPattern().MatchString(key.Value):
			p.AddAt(at(key), "", "this is not a key of a ConfigMap")
		case twice:
			p.AddAt(at(key), "", "this key is in %s twice", field)
		case val.Kind != yaml.ScalarNode || val.ShortTag() != "!!str":
			p.AddAt(at(val), "", "a value of %s must be text", field)
		default:
			list[key.Value] = val.Value
		}
	}
	return list
}
