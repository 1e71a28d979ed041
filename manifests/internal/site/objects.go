package site

import (
	"encoding/json"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

// ParseObjects reads the objects of some kinds from a file: a list, an object, or several documents of
// these. One of another kind is an *[imageset.ConfigError].
func ParseObjects(file string, data []byte, kinds ...string) (list []json.RawMessage, err error) {
	add := func(body json.RawMessage) error {
		var o struct {
			Kind string `json:"kind"`
		}
		if err := json.Unmarshal(body, &o); err != nil || !slices.Contains(kinds, o.Kind) {
			return &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: "it has an object that is neither " + strings.Join(kinds, " nor ")}
		}
		list = append(list, body)
		return nil
	}
	if err := eachDocument(file, data, func(*strict.Document) error { return nil }); err != nil {
		return nil, err
	}
	for _, part := range splitDocuments(data) {
		var doc struct {
			Kind  string            `json:"kind"`
			Items []json.RawMessage `json:"items"`
		}
		body, err := yaml.YAMLToJSON(part)
		if err == nil {
			err = json.Unmarshal(body, &doc)
		}
		switch {
		case err != nil:
			return nil, &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: "these are no objects in YAML or JSON, as oc prints them"}
		case string(body) == "null":
			continue
		case !strings.HasSuffix(doc.Kind, "List"):
			doc.Items = []json.RawMessage{body}
		}
		for _, one := range doc.Items {
			if err := add(one); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// splitDocuments splits a stream of documents in YAML.
func splitDocuments(data []byte) (list [][]byte) {
	for part := range strings.SplitSeq("\n"+string(data), "\n---") {
		list = append(list, []byte(strings.TrimPrefix(part, "\n")))
	}
	return list
}
