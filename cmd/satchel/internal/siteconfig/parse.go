package siteconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	formKey = "satchel"
	form    = "config/1"
	// Defaults is the section for all commands.
	Defaults = "defaults"
)

// Flag is what is known of a flag of one command.
type Flag struct {
	List, Bool bool
	Path       bool   // its values name files or directories
	Pair       bool   // with Path: what stands behind the = of NAME=FILE
	Refused    string // why no file may set it
	Apart      bool   // it means something else than elsewhere: no default holds for it
}

// Known is the flags of each command, by their names.
type Known map[string]map[string]Flag

// Entry is one flag in one file.
type Entry struct {
	File         string
	Line, Column int
	Section      string // Defaults, or a command
	Flag         string
	Values       []string // none: an empty list, which takes back what files behind this one say
}

// Fault is an error at the place of an entry.
func (e Entry) Fault(err error) error {
	return &Error{File: e.File, Line: e.Line, Column: e.Column, Err: fmt.Errorf("%s: %w", e.Flag, err), hint: "correct it in that file; satchel COMMAND --help says what the flag takes"}
}

type parser struct {
	file    string
	known   Known
	entries []Entry
}

func (p *parser) fail(n *yaml.Node, hint, format string, args ...any) error {
	return &Error{p.file, n.Line, n.Column, fmt.Errorf(format, args...), hint}
}

// parse reads the text of a file.
func parse(file string, body []byte, known Known) ([]Entry, error) {
	p := &parser{file: file, known: known}
	root, err := document(body)
	if err != nil {
		return nil, &Error{File: file, Line: lineOf(err), Column: 1, Err: err, hint: "correct the file"}
	}
	if root.Kind != yaml.MappingNode || len(root.Content) == 0 || root.Content[0].Value != formKey {
		return nil, p.fail(root, "", "a site configuration begins with %s: %s", formKey, form)
	}
	if v := root.Content[1]; v.Value != form {
		return nil, p.fail(v, "this satchel knows "+form+"; a newer one may know more", "its form is %s", text.Printable(strconv.Quote(v.Value)))
	}
	seen := map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if seen[key.Value] {
			return nil, p.fail(key, "", "%s is there twice", quoted(key))
		}
		seen[key.Value] = true
		if i == 0 {
			continue
		}
		if err := p.section(key, value); err != nil {
			return nil, err
		}
	}
	return p.entries, nil
}

// document is the one YAML document of a file.
func document(body []byte) (*yaml.Node, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("it is not UTF-8 text")
	}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is empty; a site configuration begins with %s: %s", formKey, form)
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document, or something behind the first that is no YAML")
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// lineOf is the line that an error of the YAML parser names, else the first.
func lineOf(err error) int {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 1
}

func quoted(n *yaml.Node) string { return text.Printable(strconv.Quote(text.Cut(n.Value, 60))) }

// section reads the flags of a command, or those of all.
func (p *parser) section(key, value *yaml.Node) error {
	flags := p.known[key.Value]
	if key.Value == Defaults {
		flags = p.known.shared()
	}
	if flags == nil || key.Kind != yaml.ScalarNode {
		return p.fail(key, nearest(key.Value, append(slices.Sorted(maps.Keys(p.known)), Defaults)), "%s is no command; flags of all commands stand under %s", quoted(key), Defaults)
	}
	if value.Kind != yaml.MappingNode {
		return p.fail(value, "write flags below it, without their dashes, as in trust: /etc/satchel/allowed_signers", "%s must hold flags", key.Value)
	}
	seen := map[string]bool{}
	for i := 0; i < len(value.Content); i += 2 {
		name := value.Content[i]
		if seen[name.Value] {
			return p.fail(name, "", "%s is there twice", quoted(name))
		}
		seen[name.Value] = true
		flag, ok := flags[name.Value]
		if !ok || name.Kind != yaml.ScalarNode {
			return p.unknown(key.Value, name, flags)
		}
		if flag.Refused != "" {
			return p.fail(name, "leave it out of the file, and type it where it is meant", "--%s cannot be set in a file: %s", name.Value, flag.Refused)
		}
		values, err := p.values(flag, name.Value, value.Content[i+1])
		if err != nil {
			return err
		}
		p.entries = append(p.entries, Entry{p.file, name.Line, name.Column, key.Value, name.Value, values})
	}
	return nil
}

// unknown refuses a flag that a section does not have, with what is meant.
func (p *parser) unknown(section string, name *yaml.Node, flags map[string]Flag) error {
	if section == Defaults {
		for command, of := range p.known {
			if _, ok := of[name.Value]; ok {
				return p.fail(name, "set it below "+command+":", "--%s means something else for each command that has it", name.Value)
			}
		}
		return p.fail(name, nearest(name.Value, slices.Sorted(maps.Keys(flags))), "no command has a flag %s", quoted(name))
	}
	return p.fail(name, nearest(name.Value, slices.Sorted(maps.Keys(flags))), "satchel %s has no flag %s", section, quoted(name))
}

func nearest(name string, names []string) string {
	near := text.Nearest(name, names)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + text.Or(near) + "?"
}

// shared is the flags that defaults may have. What every command refuses is refused there too.
func (k Known) shared() map[string]Flag {
	all := map[string]Flag{}
	for _, command := range slices.Sorted(maps.Keys(k)) {
		for name, f := range k[command] {
			if have, ok := all[name]; !f.Apart && (!ok || have.Refused != "") {
				all[name] = f
			}
		}
	}
	return all
}

// values reads what a flag is set to.
func (p *parser) values(flag Flag, name string, n *yaml.Node) ([]string, error) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		if items = n.Content; len(items) > 0 && !flag.List {
			return nil, p.fail(n, "", "%s takes one value, not a list; an empty list [] takes back what another file says", name)
		}
	}
	var values []string
	for _, item := range items {
		tag := item.ShortTag()
		switch {
		case item.Kind != yaml.ScalarNode:
			return nil, p.fail(item, "", "%s takes plain values: no mappings, no anchors", name)
		case tag == "!!null" || item.Value == "":
			return nil, p.fail(item, "an empty list [] takes back what another file says", "%s has no value", name)
		case flag.Bool && tag != "!!bool":
			return nil, p.fail(item, "", "%s wants true or false, not %s", name, quoted(item))
		}
		value := item.Value
		if flag.Path {
			var err error
			if value, err = p.path(flag, value); err != nil {
				return nil, p.fail(item, "", "%s: %w", name, err)
			}
		}
		values = append(values, value)
	}
	return values, nil
}

// path makes a name absolute: in a file, it is seen from the directory of the file.
func (p *parser) path(flag Flag, value string) (string, error) {
	before, name := "", value
	if key, rest, ok := strings.Cut(value, "="); ok && flag.Pair {
		before, name = key+"=", rest
	}
	switch rest, home := strings.CutPrefix(name, "~/"); {
	case home:
		dir, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the home directory that ~ stands for: %w", err)
		}
		name = filepath.Join(dir, rest)
	case strings.HasPrefix(name, "~"):
		return "", errors.New("only ~/ is understood, for the home of the user who runs satchel")
	case name == "last", strings.Contains(name, "://"), filepath.IsAbs(name):
	default:
		dir, err := filepath.Abs(filepath.Dir(p.file))
		if err != nil {
			return "", err
		}
		name = filepath.Join(dir, name)
	}
	return before + name, nil
}
