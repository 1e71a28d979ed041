package rebuild

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// Settings are what a recipe may change of how an image runs (OCI image-spec,
// config.md). Everything else that a config says stays as it is.
type Settings struct {
	Entrypoint, Cmd []string
	Labels          map[string]string
}

// settings are the keys of [Settings].
var settings = []string{"Entrypoint", "Cmd", "Labels"}

// config is an image's config, with all that is not known here.
type config struct {
	d       oci.Descriptor
	top     map[string]json.RawMessage
	run     map[string]json.RawMessage // its "config"
	diffs   []digest.Digest
	history []ispec.History
}

// parseConfig reads the config of an image that has so many layers.
func parseConfig(d oci.Descriptor, body []byte, layers int) (*config, error) {
	c := &config{d: d, run: map[string]json.RawMessage{}}
	if err := json.Unmarshal(body, &c.top); err != nil || c.top == nil {
		return nil, c.refuse("it is not a JSON object")
	}
	var fs ispec.RootFS
	for _, part := range []struct {
		key string
		to  any
	}{{"config", &c.run}, {"rootfs", &fs}, {"history", &c.history}} {
		for key := range c.top {
			if key != part.key && strings.EqualFold(key, part.key) {
				return nil, c.refuse("it has %q, which some programs would take for %q", key, part.key)
			}
		}
		if err := decode(c.top[part.key], part.to); err != nil {
			return nil, c.refuse("its %s is not as it should be", part.key)
		}
	}
	for key := range c.run {
		for _, known := range settings {
			if key != known && strings.EqualFold(key, known) {
				return nil, c.refuse("its config has %q, which some programs would take for %q", key, known)
			}
		}
	}
	if c.run == nil { // it was null
		c.run = map[string]json.RawMessage{}
	}
	if c.diffs = fs.DiffIDs; len(c.diffs) != layers {
		return nil, c.refuse("it is of %d layers, and the image has %d", len(c.diffs), layers)
	}
	return c, nil
}

func (c *config) refuse(format string, args ...any) error {
	return &oci.UnsupportedError{What: "image config " + c.d.Digest.String(), Why: fmt.Sprintf(format, args...)}
}

func decode(body json.RawMessage, to any) error {
	if len(body) == 0 {
		return nil
	}
	return json.Unmarshal(body, to)
}

// change takes the recipe's layers and settings over.
func (c *config) change(r Recipe, kept []bool) error {
	var s Settings
	for key, to := range map[string]any{"Entrypoint": &s.Entrypoint, "Cmd": &s.Cmd, "Labels": &s.Labels} {
		if err := decode(c.run[key], to); err != nil {
			return c.refuse("its %s is not as it should be", key)
		}
	}
	if r.Edit != nil {
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		r.Edit(&s)
	}
	for key, v := range map[string]any{"Entrypoint": s.Entrypoint, "Cmd": s.Cmd, "Labels": s.Labels} {
		if err := set(c.run, key, v, len(s.Entrypoint) == 0 && key == "Entrypoint" || len(s.Cmd) == 0 && key == "Cmd" || len(s.Labels) == 0 && key == "Labels"); err != nil {
			return err
		}
	}
	if list, ok := keptHistory(c.history, kept); ok {
		c.history = append(list, ispec.History{CreatedBy: r.Comment})
	} else {
		c.history = nil
	}
	var diffs []digest.Digest
	for i, d := range c.diffs {
		if kept[i] {
			diffs = append(diffs, d)
		}
	}
	c.diffs = append(diffs, r.Layer.DiffID)
	return nil
}

// set writes a value, or takes it out where there is none.
func set(m map[string]json.RawMessage, key string, v any, none bool) error {
	if none {
		delete(m, key)
		return nil
	}
	body, err := json.Marshal(v)
	m[key] = body
	return err
}

// keptHistory leaves out what belongs to layers that are left out. A history that
// does not speak of every layer, or of any, is abandoned: readers that count its layers
// take none, and no wrong one.
func keptHistory(list []ispec.History, kept []bool) (out []ispec.History, ok bool) {
	layer := 0
	for _, h := range list {
		if !h.EmptyLayer {
			if layer++; layer > len(kept) {
				return nil, false
			}
		}
		if h.EmptyLayer || kept[layer-1] {
			out = append(out, h)
		}
	}
	return out, layer == len(kept)
}

// marshal writes the config, its keys sorted.
func (c *config) marshal() ([]byte, error) {
	for key, v := range map[string]any{
		"config": c.run, "history": c.history, "rootfs": ispec.RootFS{Type: "layers", DiffIDs: c.diffs},
	} {
		if err := set(c.top, key, v, key == "history" && len(c.history) == 0); err != nil {
			return nil, err
		}
	}
	return json.Marshal(c.top)
}
