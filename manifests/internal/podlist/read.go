package podlist

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxPod is the largest pod, and the largest of anything besides pods, in bytes.
// An API server stores nothing of more than some 3 MB.
const maxPod = 16 << 20

// Use is one container's image. A volume that is an image counts as a container.
type Use struct {
	Namespace, Pod, Container string
	Image                     string // as the pod names it
	ID                        string // what the node has, if it reports that
}

// pod is what of a pod matters here.
type pod struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec   spec   `json:"spec"`
	Status status `json:"status"`
}

type spec struct {
	Containers          []container `json:"containers"`
	InitContainers      []container `json:"initContainers"`
	EphemeralContainers []container `json:"ephemeralContainers"`
	Volumes             []struct {
		Name  string `json:"name"`
		Image struct {
			Reference string `json:"reference"`
		} `json:"image"`
	} `json:"volumes"`
}

type status struct {
	Containers          []container `json:"containerStatuses"`
	InitContainers      []container `json:"initContainerStatuses"`
	EphemeralContainers []container `json:"ephemeralContainerStatuses"`
}

type container struct {
	Name    string `json:"name"`
	Image   string `json:"image"`
	ImageID string `json:"imageID"`
}

// reader gives what it finds to found.
type reader struct {
	found func(Use) error
	pods  int
}

// Read reads a list of pods, or single ones, as JSON or YAML. It gives the number
// of pods, and stops with the first error of found.
func Read(r io.Reader, found func(Use) error) (int, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	p := &reader{found: found}
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil
		case err != nil:
			return 0, err
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		}
		if err := in.UnreadByte(); err != nil {
			return 0, err
		}
		if c == '{' {
			err = p.json(in)
		} else {
			err = p.yaml(in)
		}
		return p.pods, err
	}
}

// pod takes one pod.
func (p *reader) pod(one *pod) error {
	if one.Kind != "" && one.Kind != "Pod" {
		return fmt.Errorf("it has a %.64q and may have only pods", one.Kind)
	}
	p.pods++
	s, st := one.Spec, one.Status
	for _, list := range []struct{ named, started []container }{
		{s.InitContainers, st.InitContainers}, {s.Containers, st.Containers}, {s.EphemeralContainers, st.EphemeralContainers},
	} {
		for _, c := range list.named {
			u := Use{one.Metadata.Namespace, one.Metadata.Name, c.Name, c.Image, idOf(list.started, c.Name)}
			if err := p.use(u); err != nil {
				return err
			}
		}
	}
	for _, v := range s.Volumes {
		if err := p.use(Use{one.Metadata.Namespace, one.Metadata.Name, "volume " + v.Name, v.Image.Reference, ""}); err != nil {
			return err
		}
	}
	return nil
}

// use passes on what names an image.
func (p *reader) use(u Use) error {
	if u.Image == "" && u.ID == "" {
		return nil
	}
	return p.found(u)
}

func idOf(started []container, name string) string {
	for _, c := range started {
		if c.Name == name {
			return c.ImageID
		}
	}
	return ""
}

// bounded fails when more is read at a time than one pod may have.
type bounded struct {
	io.Reader
	left int
}

func (b *bounded) Read(buf []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.Reader.Read(buf[:min(len(buf), b.left)])
	b.left -= n
	return n, err
}

var errTooLarge = fmt.Errorf("one pod in it, or something else, has more than %d MiB", maxPod>>20)

// json reads documents of JSON, one after another.
func (p *reader) json(r io.Reader) error {
	in := &bounded{Reader: r, left: maxPod}
	dec := json.NewDecoder(in)
	for {
		in.left = maxPod
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && tok != json.Delim('{') {
			err = errors.New("it is no JSON object")
		}
		if err == nil {
			err = p.document(dec, in)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// document reads the rest of an object: a list, or a pod.
func (p *reader) document(dec *json.Decoder, in *bounded) error {
	var one pod
	list := false
	for dec.More() {
		in.left = maxPod
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var into any = new(json.RawMessage)
		switch key {
		case "items":
			list = true
			if err := p.items(dec, in); err != nil {
				return err
			}
			continue
		case "kind":
			into = &one.Kind
		case "metadata":
			into = &one.Metadata
		case "spec":
			into = &one.Spec
		case "status":
			into = &one.Status
		}
		if err := dec.Decode(into); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if list {
		return checkList(one.Kind)
	}
	return p.pod(&one)
}

func (p *reader) items(dec *json.Decoder, in *bounded) error {
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
		in.left = maxPod
		var one pod
		if err := dec.Decode(&one); err != nil {
			return err
		}
		if err := p.pod(&one); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// checkList checks the kind of what has items.
func checkList(kind string) error {
	if kind != "" && kind != "List" && kind != "PodList" {
		return fmt.Errorf("it is a %.64q, no list of pods", kind)
	}
	return nil
}
