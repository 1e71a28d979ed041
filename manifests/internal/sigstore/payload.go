package sigstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// typeCosign is the type of what cosign signs.
const typeCosign = "cosign container image signature"

// signedPayload is what a signature says of an image.
type signedPayload struct {
	digest    digest.Digest
	reference string
}

// parsePayload reads what was signed, as strictly as nodes do (containers/image,
// signature/internal/sigstore_payload.go).
func parsePayload(body []byte) (p signedPayload, err error) {
	var critical, optional, image, identity json.RawMessage
	var kind, hash string
	if err := object(body, map[string]any{"critical": &critical, "optional": &optional}); err != nil {
		return p, err
	}
	if !bytes.Equal(optional, []byte("null")) {
		if err := checkOptional(optional); err != nil {
			return p, err
		}
	}
	if err := object(critical, map[string]any{"type": &kind, "image": &image, "identity": &identity}); err != nil {
		return p, err
	}
	if kind != typeCosign {
		return p, fmt.Errorf("its type is %.64q", kind)
	}
	if err := object(image, map[string]any{"docker-manifest-digest": &hash}); err != nil {
		return p, err
	}
	p.digest = digest.Digest(hash)
	if err := oci.CheckDigest(p.digest); err != nil {
		return p, err
	}
	return p, object(identity, map[string]any{"docker-reference": &p.reference})
}

// checkOptional checks what may be there besides: creator and timestamp have a type, anything
// else is free.
func checkOptional(body []byte) error {
	var creator string
	var timestamp float64
	err := eachKey(body, func(key string) any {
		switch key {
		case "creator":
			return &creator
		case "timestamp":
			return &timestamp
		}
		return new(any)
	})
	if err == nil && timestamp != float64(int64(timestamp)) {
		return errors.New("its timestamp is not a whole number")
	}
	return err
}

// object reads a JSON object that has exactly these keys, each once.
func object(body []byte, fields map[string]any) error {
	n := 0
	err := eachKey(body, func(key string) any {
		to, ok := fields[key]
		if !ok {
			return nil
		}
		n++
		return to
	})
	if err == nil && n != len(fields) {
		return errors.New("a key is missing")
	}
	return err
}

// eachKey reads a JSON object; to says where the value of a key goes, nil for a key that may
// not be there.
func eachKey(body []byte, to func(string) any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("it is not valid JSON: %w", err)
		}
		key, _ := t.(string) // nothing else can stand there
		value := to(key)
		if value == nil || seen[key] {
			return fmt.Errorf("the key %.64q is not expected there, or is there twice", key)
		}
		seen[key] = true
		if err := dec.Decode(value); err != nil {
			return fmt.Errorf("%.64q: %w", key, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("it is not valid JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}
