package helm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxAnswer = 32 << 20 // bytes of an answer
	maxImages = 10000    // of a chart
	maxIndex  = 100000   // charts and versions of an index
	maxFault  = 4 << 10  // bytes of what is said to be wrong
)

// Renderer runs [Serve] in another process, gives it in and takes out what it writes. Its memory and
// time are bounded, since templates are programs: what passes a bound is a *[LimitError], what
// crashes a *[FaultError]. A nil Renderer is this one, without bounds.
type Renderer func(ctx context.Context, in io.Reader, out io.Writer) error

// LimitError says that a chart, or the index of a repository, takes more than it may.
type LimitError struct{ Limit string } // such as "256 MiB of memory"

func (e *LimitError) Error() string {
	return "it takes more than " + e.Limit + ", the limit for reading and rendering"
}

// FaultError says what is wrong with a chart or an index.
type FaultError struct{ Msg string }

func (e *FaultError) Error() string { return e.Msg }

// Values are those of a file, for the charts of one name.
type Values struct {
	Chart string `json:"chart"`
	YAML  []byte `json:"yaml"`
}

// Request is what is asked about a chart.
type Request struct {
	// Facts alone are asked for: nothing is rendered.
	Facts  bool     `json:"facts,omitempty"`
	Values []Values `json:"values,omitempty"` // those of the chart's name are taken, in this order
	Paths  []string `json:"paths,omitempty"`  // JSONPath expressions, further places of images
}

// Facts are what a chart says of itself.
type Facts struct {
	Name        string `json:"name"`
	Version     string `json:"version"` // as its Chart.yaml writes it
	Library     bool   `json:"library,omitempty"`
	Description string `json:"description,omitempty"`
	Config      []byte `json:"config"` // as "helm push" writes it
}

// Answer is what a chart is and runs.
type Answer struct {
	Facts
	Images []Image
	Hits   []int // by path of the request: how many images it points at
}

// order is what a process is to do: the first line of its input. The archive or the index follows.
type order struct {
	Request
	Index bool  `json:"index,omitempty"`
	Size  int64 `json:"size"` // of what follows, in bytes
}

// part is one line of an answer; the last one has End.
type part struct {
	Facts  *Facts `json:"chart,omitempty"`
	Image  *Image `json:"image,omitempty"`
	Hits   []int  `json:"hits,omitempty"`
	Entry  *Entry `json:"entry,omitempty"`
	Fault  string `json:"fault,omitempty"`
	Render bool   `json:"render,omitempty"` // the fault lies in templates and values
	End    bool   `json:"end,omitempty"`
}

// Chart reads the chart of an archive and renders it. A chart whose images cannot be known is an
// error with an answer, as far as that goes: a *[RenderError] if other values may help, else a
// *[FaultError] or a *[LimitError].
func (p Renderer) Chart(ctx context.Context, archive []byte, q Request) (*Answer, error) {
	if len(archive) > MaxArchive {
		return nil, &FaultError{tooLarge}
	}
	var a *Answer
	err := p.ask(ctx, order{Request: q}, archive, func(m part) {
		switch {
		case m.Facts != nil:
			a = &Answer{Facts: *m.Facts}
		case a != nil && m.Image != nil:
			a.Images = append(a.Images, *m.Image)
		case a != nil && m.Hits != nil:
			a.Hits = m.Hits
		}
	})
	return a, err
}

// Index reads the index of a chart repository. What is none is a *[FaultError].
func (p Renderer) Index(ctx context.Context, data []byte) (Index, error) {
	index := Index{}
	err := p.ask(ctx, order{Index: true}, data, func(m part) {
		if m.Entry != nil {
			index[m.Entry.Name] = append(index[m.Entry.Name], *m.Entry)
		}
	})
	if err != nil {
		return nil, err
	}
	return index, nil
}

// ask runs the process, and gives take the parts of its answer.
func (p Renderer) ask(ctx context.Context, o order, body []byte, take func(part)) error {
	o.Size = int64(len(body))
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("ask about a chart: %w", err)
	}
	if p == nil {
		p = func(_ context.Context, in io.Reader, out io.Writer) error { return Serve(in, out) }
	}
	in := io.MultiReader(bytes.NewReader(append(line, '\n')), bytes.NewReader(body))
	from, to := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := p(ctx, in, to)
		_ = to.CloseWithError(err) // nil is the end
		done <- err
	}()
	fault := readParts(io.LimitReader(from, maxAnswer), take)
	_ = from.CloseWithError(errors.New("the answer is read"))
	err = <-done
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && errors.Is(fault, errNoEnd):
		return err
	}
	return fault
}

// errNoEnd says that an answer is not whole.
var errNoEnd = errors.New("the answer has no end")

// readParts gives take the parts up to the last, which may say what is wrong.
func readParts(from io.Reader, take func(part)) error {
	dec := json.NewDecoder(from)
	for {
		var m part
		if err := dec.Decode(&m); err != nil {
			return fmt.Errorf("%w: %w", errNoEnd, err)
		}
		switch {
		case m.Fault != "" && m.Render:
			return &RenderError{Msg: m.Fault}
		case m.Fault != "":
			return &FaultError{Msg: m.Fault}
		case m.End:
			return nil
		}
		take(m)
	}
}

// Serve answers a request: what a [Renderer] runs. What is wrong with the chart or the index is
// a part of the answer.
func Serve(in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if o.Size < 0 || o.Size > max(MaxArchive, MaxIndex) {
		return fmt.Errorf("read the request: %d bytes are too many", o.Size)
	}
	body := make([]byte, o.Size)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("read what the request is about: %w", err)
	}
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	end := part{End: true}
	if o.Index {
		err = answerIndex(enc, body)
	} else {
		err = answerChart(enc, body, o.Request)
	}
	var render *RenderError
	if err != nil {
		end = part{Fault: short(err.Error()), Render: errors.As(err, &render)}
	}
	return errors.Join(enc.Encode(end), w.Flush())
}

// short cuts a message that a template made too long to be read.
func short(msg string) string {
	if len(msg) <= maxFault {
		return msg
	}
	return strings.ToValidUTF8(msg[:maxFault], "") + " ..."
}

func answerIndex(enc *json.Encoder, data []byte) error {
	index, err := ParseIndex(data)
	if err != nil {
		return err
	}
	n := 0
	for _, name := range index.Names() {
		for _, e := range index[name] {
			if n++; n > maxIndex {
				return fmt.Errorf("it has more than %d charts and versions", maxIndex)
			}
			e.URLs = e.URLs[:1] // no other is used
			if err := enc.Encode(part{Entry: &e}); err != nil {
				return err
			}
		}
	}
	return nil
}

func answerChart(enc *json.Encoder, archive []byte, q Request) error {
	c, err := Load(archive)
	if err != nil {
		return err
	}
	facts, err := c.Facts()
	if err != nil {
		return err
	}
	if err := enc.Encode(part{Facts: &facts}); err != nil || q.Facts || facts.Library {
		return err
	}
	var values [][]byte
	for _, v := range q.Values {
		if v.Chart == c.Name {
			values = append(values, v.YAML)
		}
	}
	objects, err := c.Objects(values...)
	if err != nil {
		return err
	}
	return answerImages(enc, objects, q.Paths)
}

func answerImages(enc *json.Encoder, objects []Object, exprs []string) error {
	var paths []Path
	for _, expr := range exprs {
		p, err := ParsePath(expr)
		if err != nil {
			return fmt.Errorf("imagePaths %s: %w", expr, err)
		}
		paths = append(paths, p)
	}
	n, hits := 0, make([]int, len(paths))
	for _, o := range objects {
		list := Images(o)
		for i, p := range paths {
			more, err := p.Images(o)
			if err != nil {
				return fmt.Errorf("template %s: %w", o.Template, err)
			}
			hits[i] += len(more)
			list = append(list, more...)
		}
		if n += len(list); n > maxImages {
			return fmt.Errorf("it names more than %d images", maxImages)
		}
		for _, img := range list {
			img.Template = o.Template
			if err := enc.Encode(part{Image: &img}); err != nil {
				return err
			}
		}
	}
	return enc.Encode(part{Hits: hits})
}
