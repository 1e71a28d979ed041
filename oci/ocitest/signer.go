package ocitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"
)

// Signer signs releases as Red Hat's does, with a key that it made. It is a store
// of signatures too: over HTTP it signs whatever digest it is asked for, once.
type Signer struct {
	entity *openpgp.Entity
	config *packet.Config
}

// NewSigner makes a key at a time; a lifetime of 0 has no end.
func NewSigner(name string, made time.Time, lifetime time.Duration) (*Signer, error) {
	salted := false // the same body gets the same signature
	config := &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: uint32(lifetime / time.Second), Time: func() time.Time { return made },
		NonDeterministicSignaturesViaNotation: &salted,
	}
	entity, err := openpgp.NewEntity(name, "", "", config)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return &Signer{entity, config}, nil
}

// Key is the public key, armoured.
func (s *Signer) Key() ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := s.entity.Serialize(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Revoke withdraws the key; from then on [Signer.Key] shows it as withdrawn.
func (s *Signer) Revoke() error {
	return s.entity.RevokeKey(packet.KeyCompromised, "", s.config)
}

// Claim is the text that is signed for a payload.
func Claim(payload digest.Digest, reference string) []byte {
	type object map[string]any
	b, err := json.Marshal(object{
		"critical": object{"type": "atomic container signature", "image": object{"docker-manifest-digest": payload}, "identity": object{"docker-reference": reference}},
		"optional": object{"creator": "ocitest"},
	})
	if err != nil {
		panic(err) // only strings
	}
	return b
}

// Sign makes the signed message of a body.
func (s *Signer) Sign(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := openpgp.Sign(&b, s.entity, nil, s.config)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

var signaturePath = regexp.MustCompile(`/sha256=([0-9a-f]{64})/signature-1$`)

// ServeHTTP gives signature-1 of any payload.
func (s *Signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := signaturePath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		http.NotFound(w, r)
		return
	}
	message, err := s.Sign(Claim(digest.NewDigestFromEncoded(digest.SHA256, m[1]), "example.invalid/made-up:release"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(message) // the client is gone, else
}
