package imageset

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

// refuse reports a part that is not supported, at its key.
func (p *Problems) refuse(path, why string) {
	p.AddAtKey(path, "remove "+path+" from a copy of the file to carry the rest", "%s: %s", path, why)
}

// ConfigError is one thing that is wrong with a configuration file.
type ConfigError struct {
	File         string
	Line, Column int // from 1, columns in characters
	Msg          string
	Advice       string // what to do about it; may be empty, is not part of Error()
	Field        string // of [Extra] that it is about, or a list that [Problems.About] has; empty if it is about the file
}

// Hint says what to do; empty if the message says it.
func (e *ConfigError) Hint() string { return e.Advice }

// Permanent reports that the same file is wrong every time.
func (e *ConfigError) Permanent() bool { return true }

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// located makes ConfigErrors of what package strict found.
func located(file string, err error) error {
	var list []error
	for _, e := range strict.Errors(err) {
		list = append(list, &ConfigError{File: file, Line: e.Line, Column: e.Column, Msg: e.Msg, Advice: hints[strings.ToLower(e.Unknown)]})
	}
	if list == nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return errors.Join(list...)
}

// Problems gathers what is wrong with a file that could be read.
type Problems struct {
	file   string
	places strict.Places
	List   []*ConfigError
}

func NewProblems(file string, places strict.Places) *Problems {
	return &Problems{file: file, places: places}
}

// Problems begins a list of what is wrong with the configuration.
func (c *Config) Problems() *Problems { return NewProblems(c.file, c.places) }

// Any reports whether there is one.
func (p *Problems) Any() bool { return len(p.List) > 0 }

// Lists that show what can be named in place of what is wrong.
const (
	ListReleases = "list of releases"
	ListCatalog  = "list of a catalog"
)

// About names the field of [Extra] that the problem reported last is about, or the list that
// shows what can be named.
func (p *Problems) About(field string) { p.List[len(p.List)-1].Field = field }

// AddAtKey reports a problem at the key of path. The hint may be empty.
func (p *Problems) AddAtKey(path, hint, format string, args ...any) {
	p.AddAt(p.places.Of(path).Key, hint, format, args...)
}

// AddWithHint reports a problem at the value of path, with what to do about it.
func (p *Problems) AddWithHint(path, hint, format string, args ...any) {
	p.AddAt(p.places.Of(path).Value, hint, format, args...)
}

// Add reports a problem at the value of path, or where it is missing.
func (p *Problems) Add(path, format string, args ...any) {
	p.AddAt(p.places.Of(path).Value, "", format, args...)
}

func (p *Problems) AddAt(at strict.Pos, hint, format string, args ...any) {
	p.List = append(p.List, &ConfigError{File: p.file, Line: at.Line, Column: at.Column, Msg: fmt.Sprintf(format, args...), Advice: hint})
}

// Join makes one error of all, in the order of the file; nil of none.
func (p *Problems) Join() error {
	slices.SortStableFunc(p.List, func(a, b *ConfigError) int {
		return strict.Pos{Line: a.Line, Column: a.Column}.Compare(strict.Pos{Line: b.Line, Column: b.Column})
	})
	errs := make([]error, len(p.List))
	for i, e := range p.List {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// names maps what must be unique to the path that has it.
type names map[string]string

func (p *Problems) unique(seen names, name, path string) {
	if first, ok := seen[name]; ok {
		p.Add(path, "%s repeats %q of line %d", path, name, p.places.Of(first).Value.Line)
		return
	}
	seen[name] = path
}

func (p *Problems) required(path, value string) bool {
	if value == "" {
		p.Add(path, "%s is missing", path)
	}
	return value != ""
}

func (p *Problems) oneOf(path, value string, known []string) {
	if !slices.Contains(known, value) {
		p.Add(path, "%s is %q; it must be one of %s", path, value, strings.Join(known, ", "))
	}
}
