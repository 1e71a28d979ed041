package pullsecret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxSize is the largest pull secret that is read, in bytes: as much as a Secret
// may hold (Kubernetes, "Secrets", restrictions).
const MaxSize = 1 << 20

var (
	numberPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	// registryPattern is a key of "auths": HOST[:PORT][/PATH], with a wildcard in
	// the host as the kubelet takes it, or a URL as docker once wrote them.
	registryPattern = regexp.MustCompile(`^(https?://)?([A-Za-z0-9*._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$`)
)

// Error is what is wrong with a pull secret, and where. It has nothing from the file.
type Error struct {
	Line, Column int // from 1, columns in characters
	Msg          string
	Hint         string // what to do about it; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg) }

// Secret is a pull secret that was checked.
type Secret struct {
	auths []part // one a registry, as the file has them
	rest  []part // the members besides "auths"
}

// part is one member of a JSON object.
type part struct {
	name  string
	key   []byte // the name as it was written, with its quotes
	raw   []byte // the value as it was written
	empty bool   // of a registry: it has no credential
	// login is the NAME:PASSWORD that a registry's entry gives; empty for a token.
	login string
	// split: the entry has user and password in fields of their own and no auth, which nodes do not read.
	split bool
}

// Parse reads a pull secret in any of its forms. The error is an *[Error].
func Parse(data []byte) (*Secret, error) {
	if len(data) > MaxSize {
		return nil, &Error{Line: 1, Column: 1, Msg: fmt.Sprintf("the file has %d bytes; a pull secret has at most %d", len(data), MaxSize)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if i := invalidUTF8(data); i >= 0 {
		return nil, at(data, fault{i, "this is not UTF-8 text"})
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return nil, &Error{Line: 1, Column: 1, Msg: "the file is empty"}
	}
	if bytes.HasPrefix(trimmed, []byte("-----BEGIN ")) {
		return nil, &Error{Line: 1, Column: 1, Msg: `the file is PEM, such as a certificate or a key; a pull secret is JSON with "auths"`}
	}
	if apiVersionLine.Match(data) && trimmed[0] != '{' {
		return parseYAML(data)
	}
	root, f := parseJSON(data)
	if f != nil {
		return nil, at(data, *f)
	}
	if _, ok := root.get("kind"); ok && root.kind == kindObject {
		return parseManifest(data, root)
	}
	return parseConfig(data, root)
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func at(data []byte, f fault) *Error {
	before := data[:f.at]
	line := bytes.LastIndexByte(before, '\n') + 1
	return &Error{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[line:]) + 1, Msg: f.msg}
}

// parseText reads the JSON of a .dockerconfigjson.
func parseText(data []byte) (*Secret, error) {
	root, f := parseJSON(data)
	if f != nil {
		return nil, at(data, *f)
	}
	return parseConfig(data, root)
}

// parseConfig checks that an object is a .dockerconfigjson with a credential.
func parseConfig(data []byte, root value) (*Secret, error) {
	if root.kind != kindObject {
		return nil, at(data, fault{root.start, `a pull secret is an object with "auths"`})
	}
	s := &Secret{}
	var auths value
	helpers := false
	for _, m := range root.members {
		switch {
		case m.key == "auths":
			auths = m.value
			continue
		case strings.EqualFold(m.key, "auths"):
			return nil, at(data, fault{m.start, `write "auths" in small letters`})
		case m.key == "credHelpers" || m.key == "credsStore":
			helpers = true
		}
		s.rest = append(s.rest, cutPart(data, m))
	}
	switch {
	case auths.end == 0 && helpers:
		return nil, noCredentials(data, root.start)
	case auths.end == 0:
		return nil, at(data, fault{root.start, `this object has no "auths", so it is not a pull secret`})
	case auths.kind != kindObject:
		return nil, at(data, fault{auths.start, `"auths" must be an object with one entry for each registry`})
	case len(auths.members) == 0 && !helpers:
		return nil, at(data, fault{auths.start, `"auths" names no registry`})
	}
	found := false
	for _, m := range auths.members {
		has, f := checkEntry(m)
		if f != nil {
			return nil, at(data, *f)
		}
		found = found || has
		p := cutPart(data, m)
		p.empty, p.login = !has, loginOf(m)
		auth, _ := m.value.get("auth")
		p.split = p.login != "" && auth.text == ""
		s.auths = append(s.auths, p)
	}
	if helpers && !found {
		return nil, noCredentials(data, root.start)
	}
	return s, nil
}

func noCredentials(data []byte, i int) *Error {
	e := at(data, fault{i, "a helper program of that host has the credentials, not this file; a cluster needs the credentials themselves"})
	e.Hint = "use the cluster's own pull secret: oc extract secret/pull-secret -n openshift-config --to=- > pull-secret.json"
	return e
}

func cutPart(data []byte, m member) part {
	key := data[m.start:m.value.start]
	end := bytes.LastIndexByte(key, ':')
	return part{name: m.key, key: bytes.TrimRight(key[:end], " \t\r\n"), raw: data[m.value.start:m.value.end]}
}

// loginOf gives the NAME:PASSWORD of a checked entry; none if it has a token, which
// is used first.
func loginOf(m member) string {
	text := func(key string) string { v, _ := m.value.get(key); return v.text }
	auth, _ := base64.StdEncoding.DecodeString(text("auth"))
	switch {
	case text("identitytoken") != "" || text("registrytoken") != "":
		return ""
	case len(auth) > 0:
		return string(auth)
	case text("username") != "":
		return text("username") + ":" + text("password")
	}
	return ""
}

// checkEntry checks one registry, and reports whether it has a credential.
func checkEntry(m member) (bool, *fault) {
	if !registryPattern.MatchString(m.key) {
		return false, &fault{m.start, "a registry must be HOST[:PORT][/PATH]"}
	}
	if m.value.kind != kindObject {
		return false, &fault{m.value.start, "the entry of a registry must be an object"}
	}
	found := false
	for _, f := range m.value.members {
		i := slices.IndexFunc(credentialFields, func(name string) bool { return strings.EqualFold(name, f.key) })
		switch {
		case i < 0:
			continue
		case f.key != credentialFields[i]:
			return false, &fault{f.start, "write this field in small letters"}
		case f.value.kind != kindString:
			return false, &fault{f.value.start, "this field must be text in double quotes"}
		}
		if f.key == "auth" && f.value.text != "" {
			if msg := checkAuth(f.value.text); msg != "" {
				return false, &fault{f.value.start, msg}
			}
		}
		found = found || f.value.text != "" && f.key != "email"
	}
	return found, nil
}

// credentialFields are an entry's fields that containers-auth.json(5) and docker
// know. Readers of Go match them without regard to case.
var credentialFields = []string{"auth", "username", "password", "email", "identitytoken", "registrytoken"}

// checkAuth checks the field "auth": base64 of NAME:PASSWORD.
func checkAuth(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return `"auth" is not base64; it must be base64 of NAME:PASSWORD`
	}
	if !bytes.Contains(b, []byte(":")) {
		return `"auth" has no colon once decoded; it must be base64 of NAME:PASSWORD`
	}
	return ""
}

// Covers returns which entry is used for a registry or repository, written
// HOST[:PORT][/PATH]: the most specific one (containers-auth.json(5)). Entries
// without a credential do not count.
func (s *Secret) Covers(name string) (entry string, ok bool) {
	for {
		for _, p := range s.auths {
			if normal(p.name) == name && !p.empty {
				return p.name, true
			}
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return "", false
		}
		name = name[:i]
	}
}

// normal is a registry as containers/image looks it up: of a URL, as
// docker wrote it, only the host counts.
func normal(key string) string {
	stripped := strings.TrimPrefix(strings.TrimPrefix(key, "http://"), "https://")
	if stripped != key {
		stripped, _, _ = strings.Cut(stripped, "/")
	}
	return stripped
}

// Gives reports whether an entry, by its name as [Secret.Covers] returns it,
// has this name and password.
func (s *Secret) Gives(entry, username, password string) bool {
	return slices.ContainsFunc(s.auths, func(p part) bool { return p.name == entry && p.login == username+":"+password })
}

// Add returns s with an entry for HOST[:PORT][/PATH], at the end if there was none. Entries for
// it and its paths that have no credential are removed: they would be used first.
func (s *Secret) Add(name, username, password string) *Secret {
	login := username + ":" + password
	auth := base64.StdEncoding.EncodeToString([]byte(login))
	to := &Secret{rest: s.rest, auths: slices.Clone(s.auths)}
	to.set(part{name: name, key: quote(name), raw: []byte(`{"auth":"` + auth + `"}`), login: login})
	return to
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // a string cannot fail
	return b
}

// WithoutHost returns s without its entries for a host, and whether it had any.
func (s *Secret) WithoutHost(host string) (*Secret, bool) {
	less := &Secret{rest: s.rest}
	for _, p := range s.auths {
		if normal(p.name) != host {
			less.auths = append(less.auths, p)
		}
	}
	return less, len(less.auths) < len(s.auths)
}

// JSON writes s as a .dockerconfigjson: "auths" first, every part as it was read.
func (s *Secret) JSON() []byte {
	var b bytes.Buffer
	members := func(list []part) {
		for i, p := range list {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(p.key)
			b.WriteByte(':')
			b.Write(p.raw)
		}
	}
	b.WriteString(`{"auths":{`)
	members(s.auths)
	b.WriteByte('}')
	if len(s.rest) > 0 {
		b.WriteByte(',')
		members(s.rest)
	}
	b.WriteString("}\n")
	return b.Bytes()
}
