package pullsecret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

const (
	typeConfig = "kubernetes.io/dockerconfigjson"
	keyConfig  = ".dockerconfigjson"
)

// apiVersionLine distinguishes a Secret in YAML from JSON that is damaged at its start.
var apiVersionLine = regexp.MustCompile(`(?m)^"?(apiVersion|kind)"?:`)

// manifest is the content of a Secret, with the place of each value.
type manifest struct {
	kind, typ          string
	encoded, plain     string // data and stringData
	hasData, hasString bool
	place              func(path string) *Error
}

// parseManifest reads a Secret in JSON.
func parseManifest(data []byte, root value) (*Secret, error) {
	m := manifest{place: func(path string) *Error { return at(data, fault{locate(root, path), ""}) }}
	var wrong *Error
	text := func(path string) (string, bool) {
		v, ok := lookup(root, path)
		if ok && v.kind != kindString && wrong == nil {
			wrong = at(data, fault{v.start, "this must be text in double quotes"})
		}
		return v.text, ok
	}
	m.kind, _ = text("kind")
	m.typ, _ = text("type")
	m.encoded, m.hasData = text("data/" + keyConfig)
	m.plain, m.hasString = text("stringData/" + keyConfig)
	if wrong != nil {
		return nil, wrong
	}
	return m.secret()
}

// lookup finds a value by path: names with slashes between them.
func lookup(v value, path string) (value, bool) {
	for name := range strings.SplitSeq(path, "/") {
		next, ok := v.get(name)
		if !ok {
			return value{}, false
		}
		v = next
	}
	return v, true
}

// locate is where the value at path starts or, where it is absent, the one around it.
func locate(v value, path string) int {
	for name := range strings.SplitSeq(path, "/") {
		next, ok := v.get(name)
		if !ok {
			break
		}
		v = next
	}
	return v.start
}

// parseYAML reads a Secret in YAML.
func parseYAML(data []byte) (*Secret, error) {
	var in struct {
		Kind string `json:"kind"`
		Type string `json:"type"`
		Data struct {
			Config text `json:".dockerconfigjson"`
		} `json:"data"`
		StringData struct {
			Config text `json:".dockerconfigjson"`
		} `json:"stringData"`
	}
	doc, err := strict.Parse(data)
	if err != nil {
		return nil, hidden(err, "this is not valid YAML, here or just above")
	}
	places, err := doc.Peek(&in)
	if err != nil {
		return nil, hidden(err, "this key is there twice, or its value has another type than in a Secret")
	}
	m := manifest{
		kind: in.Kind, typ: in.Type,
		encoded: in.Data.Config.s, hasData: in.Data.Config.set,
		plain: in.StringData.Config.s, hasString: in.StringData.Config.set,
		place: func(path string) *Error {
			pos := places.Of(strings.ReplaceAll(path, "/", ".")).Value
			return &Error{Line: pos.Line, Column: pos.Column}
		},
	}
	return m.secret()
}

// text is a string, and whether it was set.
type text struct {
	s   string
	set bool
}

func (t *text) UnmarshalText(b []byte) error {
	t.s, t.set = string(b), true
	return nil
}

// hidden gives the first place of an error of package strict, with another text.
func hidden(err error, msg string) *Error {
	list := strict.Errors(err)
	if len(list) == 0 {
		return &Error{Line: 1, Column: 1, Msg: msg}
	}
	return &Error{Line: list[0].Line, Column: list[0].Column, Msg: msg}
}

// secret reads the pull secret that a Secret holds.
func (m manifest) secret() (*Secret, error) {
	wrong := func(path, format string, args ...any) (*Secret, error) {
		e := m.place(path)
		e.Msg = fmt.Sprintf(format, args...)
		return nil, e
	}
	switch {
	case m.kind != "Secret":
		return wrong("kind", "a pull secret is an object of kind Secret; this one has another kind")
	case m.typ != typeConfig:
		return wrong("type", "a pull secret is a Secret of type %s; this one has another type", typeConfig)
	case m.hasData == m.hasString:
		return wrong("data", "a pull secret has its text in exactly one of data[%q] and stringData[%[1]q]", keyConfig)
	case m.hasString:
		return m.inner([]byte(m.plain), "stringData/"+keyConfig)
	}
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(m.encoded), ""))
	if err != nil {
		return wrong("data/"+keyConfig, "data[%q] is not base64", keyConfig)
	}
	return m.inner(b, "data/"+keyConfig)
}

// inner reads the text in a Secret; a fault's place in it follows that of the value.
func (m manifest) inner(data []byte, path string) (*Secret, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if i := invalidUTF8(data); i >= 0 {
		return nil, m.within(at(data, fault{i, "this is not UTF-8 text"}), path)
	}
	s, err := parseText(data)
	var e *Error
	if errors.As(err, &e) {
		return nil, m.within(e, path)
	}
	return s, nil
}

func (m manifest) within(e *Error, path string) *Error {
	outer := m.place(path)
	outer.Msg = fmt.Sprintf("in the text that starts here, line %d, column %d once decoded: %s", e.Line, e.Column, e.Msg)
	outer.Hint = e.Hint
	return outer
}
