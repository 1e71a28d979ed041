package pullsecret

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxDepth  = 32      // objects and lists within each other
	maxValues = 1 << 16 // values of one document
)

// kind is what a value of JSON is.
type kind byte

const (
	kindString kind = iota
	kindOther       // a number, true, false, null
	kindObject
	kindList
)

// value is one value of a document; it stands at data[start:end].
type value struct {
	kind       kind
	start, end int
	text       string // of a string, decoded
	members    []member
}

type member struct {
	key   string
	start int // of its key
	value value
}

// get returns the value of that name; a name is never twice in one object.
func (v *value) get(key string) (value, bool) {
	for _, m := range v.members {
		if m.key == key {
			return m.value, true
		}
	}
	return value{}, false
}

// fault is what is wrong, and at which byte of a document.
type fault struct {
	at  int
	msg string
}

// parser reads exactly what RFC 8259 allows, and refuses a name that an object has twice.
type parser struct {
	data   []byte
	pos    int
	values int
}

func parseJSON(data []byte) (value, *fault) {
	p := &parser{data: data}
	v, f := p.value(0)
	if f != nil {
		return value{}, f
	}
	if p.space(); p.pos < len(data) {
		return value{}, p.fail("the JSON text is complete before this; nothing may follow it")
	}
	return v, nil
}

func (p *parser) fail(msg string) *fault { return &fault{p.pos, msg} }

func (p *parser) space() {
	for p.pos < len(p.data) && bytes.IndexByte([]byte(" \t\r\n"), p.data[p.pos]) >= 0 {
		p.pos++
	}
}

// next skips space and returns the byte after it; 0 at the end.
func (p *parser) next() byte {
	if p.space(); p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) value(depth int) (v value, f *fault) {
	c := p.next()
	p.values++
	v.start = p.pos
	switch {
	case depth > maxDepth || p.values > maxValues:
		return v, p.fail("this is nested deeper, or has more values, than a pull secret")
	case c == 0 && p.pos == len(p.data):
		return v, p.fail("the text ends where a value is expected")
	case c == '{':
		v.kind = kindObject
		v.members, f = p.object(depth)
	case c == '[':
		v.kind = kindList
		f = p.list(depth)
	case c == '"':
		v.text, f = p.str()
	case c == '-' || c >= '0' && c <= '9':
		v.kind = kindOther
		f = p.number()
	default:
		v.kind = kindOther
		f = p.word()
	}
	v.end = p.pos
	return v, f
}

func (p *parser) object(depth int) ([]member, *fault) {
	var list []member
	seen := map[string]bool{}
	p.pos++
	if p.next() == '}' {
		p.pos++
		return nil, nil
	}
	for {
		if p.next() != '"' {
			return nil, p.fail("a name in double quotes is expected here")
		}
		m := member{start: p.pos}
		var f *fault
		if m.key, f = p.str(); f != nil {
			return nil, f
		}
		if seen[m.key] {
			return nil, &fault{m.start, "the object has this name twice"}
		}
		seen[m.key] = true
		if p.next() != ':' {
			return nil, p.fail("a colon is expected here, between a name and its value")
		}
		p.pos++
		if m.value, f = p.value(depth + 1); f != nil {
			return nil, f
		}
		list = append(list, m)
		if more, f := p.more('}'); !more {
			return list, f
		}
	}
}

func (p *parser) list(depth int) *fault {
	p.pos++
	if p.next() == ']' {
		p.pos++
		return nil
	}
	for {
		if _, f := p.value(depth + 1); f != nil {
			return f
		}
		if more, f := p.more(']'); !more {
			return f
		}
	}
}

// more reads the comma that another element follows, or the closing bracket.
func (p *parser) more(closing byte) (bool, *fault) {
	switch c := p.next(); {
	case c == ',':
		p.pos++
		return true, nil
	case c == closing:
		p.pos++
		return false, nil
	case p.pos == len(p.data):
		return false, p.fail("the text ends before its brackets are closed")
	}
	return false, p.fail("a comma or a closing bracket is expected here")
}

// str reads a string and decodes it.
func (p *parser) str() (string, *fault) {
	var out []byte
	for p.pos++; p.pos < len(p.data); {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return string(out), nil
		case c == '\\':
			r, f := p.escape()
			if f != nil {
				return "", f
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return "", p.fail("a line break or another control character is in a string; is a closing quote missing before it?")
		default:
			_, n := utf8.DecodeRune(p.data[p.pos:])
			out = append(out, p.data[p.pos:p.pos+n]...)
			p.pos += n
		}
	}
	return "", p.fail("the text ends within a string")
}

func (p *parser) escape() (rune, *fault) {
	const plain, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if p.pos+1 < len(p.data) {
		if i := bytes.IndexByte([]byte(plain), p.data[p.pos+1]); i >= 0 {
			p.pos += 2
			return rune(means[i]), nil
		}
	}
	r, ok := p.hex(p.pos)
	if !ok {
		return 0, p.fail("this backslash does not start an escape of JSON")
	}
	p.pos += 6
	if utf16.IsSurrogate(r) {
		low, _ := p.hex(p.pos)
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			p.pos -= 6
			return 0, p.fail("this escape is half of a character")
		}
		p.pos += 6
	}
	return r, nil
}

// hex reads the \uXXXX at i.
func (p *parser) hex(i int) (rune, bool) {
	if i+6 > len(p.data) || p.data[i] != '\\' || p.data[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.data[i+2:i+6]), 16, 16)
	return rune(n), err == nil
}

func (p *parser) number() *fault {
	start := p.pos
	for p.pos < len(p.data) && bytes.IndexByte([]byte("+-.eE0123456789"), p.data[p.pos]) >= 0 {
		p.pos++
	}
	if !numberPattern.Match(p.data[start:p.pos]) {
		return &fault{start, "this is not a number in JSON"}
	}
	return nil
}

func (p *parser) word() *fault {
	for _, w := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(p.data[p.pos:], []byte(w)) {
			p.pos += len(w)
			return nil
		}
	}
	return p.fail("a value is expected here: an object, a list, or text in double quotes")
}
