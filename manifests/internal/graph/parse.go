package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci"
)

// Bounds of a graph. A channel has a few hundred releases and some thousand edges.
const (
	maxNodes = 1 << 14
	maxEdges = 1 << 19 // conditional ones included
	maxRisks = 1 << 12 // of one group of conditional edges
	maxText  = 1 << 14 // bytes of a version, a reference, or what is said of a risk
)

// protocol is the version of the graph's format; older servers do not say it.
const protocol = 1

// Parse reads a graph as the Cincinnati protocol writes it. Fields that are not
// known are fine; a version that is none, a payload that is not named by digest, an
// edge from or to nowhere are errors. A graph may be empty: that is how servers
// answer for a channel that does not exist.
func Parse(body []byte) (*Graph, error) {
	var top struct {
		Version     *int            `json:"version"`
		Nodes       json.RawMessage `json:"nodes"`
		Edges       json.RawMessage `json:"edges"`
		Conditional json.RawMessage `json:"conditionalEdges"`
	}
	if err := json.Unmarshal(body, &top); err != nil {
		return nil, fmt.Errorf("it is not valid JSON of an update graph: %w", err)
	}
	if top.Version != nil && *top.Version != protocol {
		return nil, fmt.Errorf("it has version %d of the format; known is %d", *top.Version, protocol)
	}
	if top.Nodes == nil || top.Edges == nil {
		return nil, errors.New("it is no update graph: it has no nodes or no edges")
	}
	nodes, err := parseNodes(top.Nodes)
	if err != nil {
		return nil, err
	}
	edges, err := parseEdges(top.Edges, nodes)
	if err != nil {
		return nil, err
	}
	if edges, err = parseConditional(top.Conditional, edges); err != nil {
		return nil, err
	}
	return build(nodes, edges)
}

// each decodes a list one by one, so that one that is too long ends early.
func each[T any](raw json.RawMessage, what string, most int, visit func(T) error) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		return fmt.Errorf("its %s are no list", what)
	}
	for n := 0; dec.More(); n++ {
		if n == most {
			return fmt.Errorf("it has more than %d %s", most, what)
		}
		var v T
		if err := dec.Decode(&v); err != nil {
			return fmt.Errorf("number %d of its %s: %w", n, what, err)
		}
		if err := visit(v); err != nil {
			return fmt.Errorf("number %d of its %s: %w", n, what, err)
		}
	}
	return nil
}

func parseNodes(raw json.RawMessage) ([]Node, error) {
	type node struct {
		Version  string          `json:"version"`
		Payload  string          `json:"payload"`
		Metadata json.RawMessage `json:"metadata"`
	}
	var list []Node
	err := each(raw, "nodes", maxNodes, func(n node) error {
		if len(n.Version) > maxText || len(n.Payload) > maxText {
			return errors.New("its version or payload is too long")
		}
		v, err := semver.Parse(n.Version)
		if err != nil {
			return fmt.Errorf("its version %.64q is not a semantic version", n.Version)
		}
		ref, err := oci.ParseRef(n.Payload)
		if err != nil {
			return fmt.Errorf("the payload of %s: %w", v, err)
		}
		if ref.Digest == "" {
			return fmt.Errorf("the payload of %s, %s, is named by a tag, which could move, and not by digest", v, ref)
		}
		one := Node{Version: v, Payload: ref.WithDigest(ref.Digest)}
		one.describe(n.Metadata)
		list = append(list, one)
		return nil
	})
	return list, err
}

// describe takes what a server says about a release beside what updates need. What is of
// another form is left out.
func (n *Node) describe(raw json.RawMessage) {
	var about struct {
		Channels string `json:"io.openshift.upgrades.graph.release.channels"`
		URL      string `json:"url"`
	}
	if len(raw) > maxText || json.Unmarshal(raw, &about) != nil {
		return
	}
	n.Channels = strings.FieldsFunc(about.Channels, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(n.Channels)
	n.Advisory = about.URL
}

// parseEdges reads pairs of numbers of nodes, as they stand in the file.
func parseEdges(raw json.RawMessage, nodes []Node) ([]edge, error) {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Version.String()
	}
	var list []edge
	err := each(raw, "edges", maxEdges, func(pair []int) error {
		if len(pair) != 2 {
			return fmt.Errorf("it joins %d nodes, not two", len(pair))
		}
		for _, i := range pair {
			if i < 0 || i >= len(nodes) {
				return fmt.Errorf("it leads from node %d to node %d; there are %d", pair[0], pair[1], len(nodes))
			}
		}
		list = append(list, edge{from: names[pair[0]], to: names[pair[1]]})
		return nil
	})
	return list, err
}

// parseConditional adds the edges with risks, which name versions. A group of
// edges without a risk, or with one that has no name, cannot be judged.
func parseConditional(raw json.RawMessage, list []edge) ([]edge, error) {
	type group struct {
		Edges json.RawMessage `json:"edges"`
		Risks json.RawMessage `json:"risks"`
	}
	type ends struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	err := each(raw, "conditional edges", maxEdges, func(g group) error {
		var risks []Risk
		err := each(g.Risks, "risks", maxRisks, func(r Risk) error {
			if r.Name == "" || len(r.Name)+len(r.Message)+len(r.URL) > maxText {
				return errors.New("it has no name, or is too long")
			}
			risks = append(risks, r)
			return nil
		})
		risks = distinct(risks)
		if err == nil && len(risks) == 0 {
			err = errors.New("it has no risks")
		}
		if err != nil {
			return err
		}
		return each(g.Edges, "edges", maxEdges, func(e ends) error {
			if len(list) == maxEdges {
				return fmt.Errorf("there are more than %d in all", maxEdges)
			}
			for _, v := range []string{e.From, e.To} {
				if _, err := semver.Parse(v); err != nil || len(v) > maxText {
					return fmt.Errorf("its end %.64q is not a semantic version", v)
				}
			}
			list = append(list, edge{e.From, e.To, risks})
			return nil
		})
	})
	return list, err
}
