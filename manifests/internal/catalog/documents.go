package catalog

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"unicode"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// maxDocument is the largest document that is read, in bytes. The largest that
// were seen have 300 kB; what a bundle may hold is about 1 MiB
// (operator-registry, "Operator Bundle").
const maxDocument = 16 << 20

const (
	guessSize = 4096 // what decides whether a file is JSON, as in WalkMetasReader
	readSize  = 64 << 10
)

var errTooLarge = errors.New("it has more than 16 MiB")

// documents cuts a file into documents, where declcfg.WalkMetasReader cuts it: a
// file that begins with a brace is a row of JSON values; when the first or
// second of these turns out to be none, or else, it is YAML.
type documents struct {
	in    *bounded
	buf   *bufio.Reader
	json  *json.Decoder // nil once the file is known to be YAML
	yaml  *utilyaml.YAMLReader
	given int   // JSON values so far
	why   error // it is not JSON
}

func newDocuments(r io.Reader) *documents {
	in := &bounded{r: r}
	in.renew()
	return &documents{in: in, buf: bufio.NewReaderSize(in, readSize)}
}

// start is the beginning of the file, as far as it goes.
func (d *documents) start() []byte {
	head, _ := d.buf.Peek(guessSize) // an error comes again with next
	return head
}

// document is the bytes of one.
type document struct {
	body []byte
	json bool
}

// next gives the next document, or io.EOF.
func (d *documents) next() (document, error) {
	if d.json == nil && d.yaml == nil {
		if utilyaml.IsJSONBuffer(d.start()) {
			d.json = json.NewDecoder(d.buf)
		} else {
			d.yaml = utilyaml.NewYAMLReader(d.buf)
		}
	}
	doc, err := d.cut()
	switch {
	case d.in.err != nil: // goes before errors in the bytes that did come
		return document{}, d.in.err
	case err == nil && len(doc.body) > maxDocument:
		return document{}, errTooLarge
	}
	d.in.renew()
	return doc, err
}

func (d *documents) cut() (document, error) {
	if d.json != nil {
		var body json.RawMessage
		err := d.json.Decode(&body)
		if err == nil {
			d.given++
			return document{body, true}, nil
		}
		if err == io.EOF || d.in.err != nil || d.given > 1 {
			return document{}, err
		}
		d.toYAML(err)
	}
	body, err := d.yaml.Read()
	return document{body, false}, err
}

// toYAML continues in the file where the JSON in it ended.
func (d *documents) toYAML(why error) {
	rest := bufio.NewReaderSize(io.MultiReader(d.json.Buffered(), d.buf), readSize)
	skipBlank(rest)
	d.json, d.yaml, d.why = nil, utilyaml.NewYAMLReader(rest), why
}

// skipBlank drops white space up to the end of the line: a document of nothing
// else would count as one.
func skipBlank(r *bufio.Reader) {
	for {
		c, _, err := r.ReadRune()
		if err != nil || c == '\n' {
			return
		}
		if !unicode.IsSpace(c) {
			_ = r.UnreadRune() // cannot fail after ReadRune
			return
		}
	}
}

// bounded reads as much as one document may have. It remembers an error other
// than io.EOF, because decoders make another of it.
type bounded struct {
	r    io.Reader
	left int
	err  error
}

// renew allows one document more, and what is read ahead of the one after it.
func (b *bounded) renew() { b.left = maxDocument + 2*readSize }

func (b *bounded) Read(p []byte) (int, error) {
	if b.err == nil && b.left <= 0 {
		b.err = errTooLarge
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(len(p), b.left, readSize)])
	b.left -= n
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
