package sigstore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxExact is the largest number that canonical JSON (RFC 8785) writes as it is.
const maxExact = 1 << 53

// record is an entry of a transparency log as cosign attaches it, as far as it counts
// (rekor, hashedrekord 0.0.1).
type record struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"`
			} `json:"publicKey"`
		} `json:"signature"`
		Data struct {
			Hash struct {
				Algorithm string `json:"algorithm"`
				Value     string `json:"value"`
			} `json:"hash"`
		} `json:"data"`
	} `json:"spec"`
}

// verifyEntry checks that the log has signed an entry that is about this signature of this
// message by this key (containers/image, signature/internal/rekor_set.go).
func verifyEntry(log *ecdsa.PublicKey, entry []byte, key crypto.PublicKey, signature, message []byte) error {
	body, err := signedEntry(log, entry)
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("its body is not valid JSON: %w", err)
	}
	if r.Kind != "hashedrekord" || r.APIVersion != "0.0.1" {
		return fmt.Errorf("it is a %.64q %.64q, not a hashedrekord 0.0.1", r.Kind, r.APIVersion)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	block, rest := pem.Decode(r.Spec.Signature.PublicKey.Content)
	sum := sha256.Sum256(message)
	hash, herr := hex.DecodeString(r.Spec.Data.Hash.Value)
	switch {
	case block == nil || len(rest) > 0 || !bytes.Equal(block.Bytes, der):
		return errors.New("it is about another key")
	case !bytes.Equal(r.Spec.Signature.Content, signature):
		return errors.New("it is about another signature")
	case r.Spec.Data.Hash.Algorithm != "sha256" || herr != nil || !bytes.Equal(hash, sum[:]):
		return errors.New("it is about another message")
	}
	return nil
}

// signedEntry gives the body of an entry, if the log has signed it.
func signedEntry(log *ecdsa.PublicKey, entry []byte) ([]byte, error) {
	var signed []byte
	var payload json.RawMessage
	if err := object(entry, map[string]any{"SignedEntryTimestamp": &signed, "Payload": &payload}); err != nil {
		return nil, err
	}
	var body []byte
	var logID string
	var integrated, index int64
	err := object(payload, map[string]any{"body": &body, "integratedTime": &integrated, "logIndex": &index, "logID": &logID})
	if err != nil {
		return nil, err
	}
	if _, err := hex.DecodeString(logID); err != nil || max(integrated, index, -integrated, -index) > maxExact {
		return nil, errors.New("its log or its numbers are not valid")
	}
	// These keys in this order, and no space: that is canonical JSON, which the log signs.
	canonical, err := json.Marshal(struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int64  `json:"logIndex"`
	}{body, integrated, logID, index})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(canonical)
	if !ecdsa.VerifyASN1(log, sum[:], signed) {
		return nil, errors.New("the log has not signed it")
	}
	return body, nil
}
