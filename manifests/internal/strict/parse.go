package strict

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest document that is read, in bytes.
const MaxSize = 1 << 20

// Document is one parsed YAML document whose top level is a mapping.
type Document struct{ root *yaml.Node }

// Parse reads the one document that data holds. An empty file, a second
// document and a top level that is no mapping are refused.
func Parse(data []byte) (*Document, error) {
	if len(data) > MaxSize {
		return nil, errAt(Pos{1, 1}, "the file has %d bytes; at most %d are read", len(data), MaxSize)
	}
	if i := invalidUTF8(data); i >= 0 {
		return nil, errAt(posOf(data, i), "this is not UTF-8 text")
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := dec.Decode(&first); errors.Is(err, io.EOF) {
		return nil, errAt(Pos{1, 1}, "the file is empty")
	} else if err != nil {
		return nil, syntaxError(data, err)
	}
	for { // nothing after --- is no document
		second = yaml.Node{}
		err := dec.Decode(&second)
		switch {
		case errors.Is(err, io.EOF):
			return mapping(first.Content[0])
		case err != nil:
			return nil, syntaxError(data, err)
		case !isNull(follow(second.Content[0])):
			return nil, errAt(posOfNode(&second), "a second document starts here; one file holds one configuration")
		}
	}
}

// mapping makes a document of a mapping.
func mapping(top *yaml.Node) (*Document, error) {
	root := follow(top)
	if isNull(root) {
		return nil, errAt(Pos{1, 1}, "the file is empty")
	}
	if root.Kind != yaml.MappingNode {
		return nil, errAt(posOfNode(root), "the file must be a mapping of keys to values, not %s", describe(root))
	}
	return &Document{root}, nil
}

// Of is the document of a mapping that was parsed elsewhere, with its places.
func Of(root *yaml.Node) *Document { return &Document{root} }

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

var yamlLine = regexp.MustCompile(`(?s)^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// syntaxError gives a place to an error of the YAML parser, which has none but
// in its text. Its scanner names the right line. Its grammar ("did not find
// expected ...") names the line above the collection that was open, often far
// from the fault, or none at all: there, how far it read tells more.
func syntaxError(data []byte, err error) *Error {
	m := yamlLine.FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(m[1])
	for _, at := range tabbed(data) {
		if at.Line == line || at.Line == line+1 {
			return errAt(at, "there is a tab before this; YAML is indented with spaces alone")
		}
	}
	if line == 0 || strings.HasPrefix(m[2], "did not find expected") {
		line = reached(data)
	}
	return errAt(Pos{line, indent(data, line)}, "not valid YAML here or just above: %s", m[2])
}

// tabIndent is the indentation of a line, also behind the dashes of lists, with a tab.
var tabIndent = regexp.MustCompile(`(?m)^ *(?:- *)*\t[ \t]*[^\s#]`)

// tabbed are the places of what stands behind indentations that have a tab.
func tabbed(data []byte) (list []Pos) {
	for _, at := range tabIndent.FindAllIndex(data, -1) {
		_, n := utf8.DecodeLastRune(data[:at[1]])
		list = append(list, posOf(data, at[1]-n))
	}
	return list
}

// reached is the line that the YAML parser was reading when it gave up.
func reached(data []byte) int {
	const lookahead = 4 // bytes that it reads ahead of what it judges
	rest := drip(data)
	dec := yaml.NewDecoder(&rest)
	for dec.Decode(new(yaml.Node)) == nil {
	}
	read := data[:len(data)-len(rest)]
	if len(rest) > 0 {
		read = read[:max(0, len(read)-lookahead)]
	}
	return posOf(data, len(bytes.TrimRight(read, " \t\r\n"))).Line
}

// drip is a reader that gives one byte at a time.
type drip []byte

func (d *drip) Read(p []byte) (int, error) {
	if len(*d) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(1, len(p))], *d)
	*d = (*d)[n:]
	return n, nil
}

// indent is the column of the first character of a line that is not blank.
func indent(data []byte, line int) int {
	lines := bytes.Split(data, []byte("\n"))
	if line > len(lines) {
		return 1
	}
	text := lines[line-1]
	return 1 + len(text) - len(bytes.TrimLeft(text, " \t"))
}

func posOf(data []byte, offset int) Pos {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return Pos{1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])}
}

func posOfNode(n *yaml.Node) Pos { return Pos{n.Line, n.Column} }

// follow gives the node that an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
