package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

const (
	kindImageSet       = "ImageSetConfiguration"
	kindDeleteImageSet = "DeleteImageSetConfiguration"
	groupMirror        = "mirror.openshift.io/"
	apiVersionImageSet = groupMirror + "v2alpha1"
)

// ConfigError is one thing that is wrong with a configuration file.
type ConfigError struct {
	File         string
	Line, Column int // from 1, columns in characters
	Msg          string
	Hint         string // what to do about it; may be empty, is not part of Error()
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// hints are for keys that oc-mirror v1 had and v2 has not.
var hints = map[string]string{
	"storageconfig": "oc-mirror v1 kept its state there; remove it, satchel keeps its own",
	"bundles":       "only oc-mirror v1 selected single bundles; select by channel and version",
	"targetname":    "oc-mirror v2 has targetCatalog in its place",
}

// Parse reads an ImageSetConfiguration; name is the file's name for messages.
// Unknown and repeated keys and values of the wrong type are errors, as is what
// contradicts itself; each is a *[ConfigError], and the error joins as many as
// were found. What this version does not carry is no error here: see
// [Config.Carried].
func Parse(name string, data []byte) (*Config, error) {
	doc, err := strict.Parse(data)
	if err != nil {
		return nil, located(name, err)
	}
	var head struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if places, err := doc.Peek(&head); err == nil {
		if err := checkHead(name, head.Kind, head.APIVersion, places); err != nil {
			return nil, err
		}
	}
	c := &Config{file: name}
	if c.places, err = doc.Decode(c); err != nil {
		return nil, located(name, err)
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// checkHead refuses other formats before their keys are, which are unknown here.
func checkHead(file, kind, apiVersion string, places strict.Places) error {
	p := problems{file: file, places: places}
	switch {
	case kind == "":
		p.add("kind", "kind is missing; it must be %s", kindImageSet)
	case kind == kindDeleteImageSet:
		p.add("kind", "a %s says what to delete from a mirror; only an %s can be packed", kindDeleteImageSet, kindImageSet)
	case kind != kindImageSet:
		p.add("kind", "kind is %q; it must be %s", kind, kindImageSet)
	case apiVersion == "":
		p.add("apiVersion", "apiVersion is missing; it must be %s", apiVersionImageSet)
	case strings.HasPrefix(apiVersion, groupMirror+"v1"):
		p.add("apiVersion", "apiVersion %s is the format of oc-mirror v1; satchel reads that of v2, %s", apiVersion, apiVersionImageSet)
	case apiVersion != apiVersionImageSet:
		p.add("apiVersion", "apiVersion is %q; it must be %s", apiVersion, apiVersionImageSet)
	}
	return p.join()
}

// located makes ConfigErrors of what package strict found.
func located(file string, err error) error {
	var list []error
	for _, e := range strict.Errors(err) {
		list = append(list, &ConfigError{File: file, Line: e.Line, Column: e.Column, Msg: e.Msg, Hint: hints[strings.ToLower(e.Unknown)]})
	}
	if list == nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return errors.Join(list...)
}

// problems gathers what is wrong with a file that could be read.
type problems struct {
	file   string
	places strict.Places
	list   []*ConfigError
}

// add reports a problem at the value of path, or where it is missing.
func (p *problems) add(path, format string, args ...any) {
	p.addAt(p.places.Of(path).Value, "", format, args...)
}

func (p *problems) addAt(at strict.Pos, hint, format string, args ...any) {
	p.list = append(p.list, &ConfigError{File: p.file, Line: at.Line, Column: at.Column, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// join makes one error of all, in the order of the file; nil of none.
func (p *problems) join() error {
	slices.SortStableFunc(p.list, func(a, b *ConfigError) int {
		return strict.Pos{Line: a.Line, Column: a.Column}.Compare(strict.Pos{Line: b.Line, Column: b.Column})
	})
	errs := make([]error, len(p.list))
	for i, e := range p.list {
		errs[i] = e
	}
	return errors.Join(errs...)
}
