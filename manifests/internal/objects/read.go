package objects

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Max is the largest object, and the largest of anything besides objects, in bytes. An API
// server stores nothing of more than some 3 MB.
const Max = 16 << 20

// Reader says what becomes of what is read. An error of one of its functions ends it.
type Reader struct {
	Object func(body []byte) error // gets one object, or what stands in the place of one, as JSON
	// List gets apiVersion and kind of each list, after its items; nil: any will do.
	List  func(apiVersion, kind string) error
	What  string // one object, for messages: "pod"
	Wrong string // what is said of YAML that cannot be read
}

// Read reads all of r.
func (o Reader) Read(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		}
		if err := in.UnreadByte(); err != nil {
			return err
		}
		if c == '{' {
			return o.json(in)
		}
		return o.yaml(in)
	}
}

func (o Reader) list(apiVersion, kind string) error {
	if o.List == nil {
		return nil
	}
	return o.List(apiVersion, kind)
}

// maxValues is how many values an object may have; one of an API server has some thousands.
const maxValues = 1 << 19

// dense refuses what would take much more memory than it has bytes.
func (o Reader) dense(body []byte) error {
	n := 0
	for _, c := range body {
		switch c {
		case ',', ':', '[', '{', '-', '\n':
			n++
		}
	}
	if n > 2*maxValues {
		return fmt.Errorf("one %s in it has more than %d values", o.What, maxValues)
	}
	return nil
}

// object passes one on.
func (o Reader) object(body []byte) error {
	if err := o.dense(body); err != nil {
		return err
	}
	return o.Object(body)
}

// bounded fails when more is read at a time than one object may have.
type bounded struct {
	io.Reader
	left int
	over error
}

func (b *bounded) Read(buf []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.over
	}
	n, err := b.Reader.Read(buf[:min(len(buf), b.left)])
	b.left -= n
	return n, err
}

func (o Reader) tooLarge() error {
	return fmt.Errorf("one %s in it, or something else, has more than %d MiB", o.What, Max>>20)
}

// json reads documents of JSON, one after another.
func (o Reader) json(r io.Reader) error {
	in := &bounded{r, Max, o.tooLarge()}
	dec := json.NewDecoder(in)
	for {
		in.left = Max
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && tok != json.Delim('{') {
			err = errors.New("it is no JSON object")
		}
		if err == nil {
			err = o.document(dec, in)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// document reads the rest of an object, which may be a list.
func (o Reader) document(dec *json.Decoder, in *bounded) error {
	one := map[string]json.RawMessage{}
	list := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		if key == "items" {
			list = true
			if err := o.items(dec, in); err != nil {
				return err
			}
			continue
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		name, _ := key.(string) // the key of an object
		one[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if list {
		var apiVersion, kind string
		for key, into := range map[string]*string{"apiVersion": &apiVersion, "kind": &kind} {
			if one[key] == nil {
				continue
			}
			if err := json.Unmarshal(one[key], into); err != nil {
				return err
			}
		}
		return o.list(apiVersion, kind)
	}
	body, err := json.Marshal(one)
	if err != nil {
		return err
	}
	return o.object(body)
}

func (o Reader) items(dec *json.Decoder, in *bounded) error {
	tok, err := dec.Token()
	switch {
	case err != nil:
		return err
	case tok == nil:
		return nil
	case tok != json.Delim('['):
		return errors.New("its items are no list")
	}
	for dec.More() {
		in.left = Max
		var body json.RawMessage
		if err := dec.Decode(&body); err != nil {
			return err
		}
		if err := o.object(body); err != nil {
			return err
		}
	}
	in.left = Max
	_, err = dec.Token()
	return err
}
