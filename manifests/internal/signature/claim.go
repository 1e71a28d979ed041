package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// claimType is what the claim calls itself (containers-signature(5), "critical.type").
const claimType = "atomic container signature"

// parseClaim reads a signed body. Every object has the names that it must have,
// each once, and no others; only in "optional" may be anything.
func parseClaim(body []byte) (payload digest.Digest, reference string, err error) {
	top, err := object(body, []string{"critical"}, "optional")
	if err != nil {
		return "", "", malformed("its body", err)
	}
	critical, err := object(top["critical"], []string{"identity", "image", "type"}, "")
	if err != nil {
		return "", "", malformed("critical", err)
	}
	image, err := object(critical["image"], []string{"docker-manifest-digest"}, "")
	if err != nil {
		return "", "", malformed("critical.image", err)
	}
	identity, err := object(critical["identity"], []string{"docker-reference"}, "")
	if err != nil {
		return "", "", malformed("critical.identity", err)
	}
	var kind, named string
	err = errors.Join(text(critical["type"], &kind), text(image["docker-manifest-digest"], &named), text(identity["docker-reference"], &reference))
	if err != nil {
		return "", "", malformed("critical", err)
	}
	if kind != claimType {
		return "", "", malformed(fmt.Sprintf("critical.type is %.64q, not %q", kind, claimType), nil)
	}
	payload = digest.Digest(named)
	if err := oci.CheckDigest(payload); err != nil {
		return "", "", malformed("critical.image.docker-manifest-digest", err)
	}
	return payload, reference, nil
}

// text takes a JSON string that is not empty.
func text(raw json.RawMessage, into *string) error {
	if len(raw) == 0 || raw[0] != '"' {
		return errors.New("it has something else than a text")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return err
	}
	if *into == "" {
		return errors.New("it has an empty text")
	}
	return nil
}

// object takes a JSON object apart that has the names needed and perhaps another.
// The standard decoder would take a name twice, and in other case.
func object(raw []byte, needed []string, perhaps string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	open, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if open != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	got := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		name, _ := key.(string)
		if _, twice := got[name]; twice || name != perhaps && !slices.Contains(needed, name) {
			return nil, fmt.Errorf("it has %.64q, twice or out of place", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		got[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something comes after it")
	}
	for _, name := range needed {
		if got[name] == nil {
			return nil, fmt.Errorf("it has no %q", name)
		}
	}
	return got, nil
}
