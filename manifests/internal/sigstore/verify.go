package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// What cosign writes into the manifest of a signature.
const (
	mediaTypeSignature   = "application/vnd.dev.cosign.simplesigning.v1+json"
	annotationSignature  = "dev.cosignproject.cosign/signature"
	annotationRekorEntry = "dev.sigstore.cosign/bundle"
)

// Signature is one layer of the manifest under the tag of a signature.
type Signature struct {
	MediaType   string
	Annotations map[string]string
	Payload     []byte // the layer: what was signed
}

// Tag is the tag under which cosign puts the signatures of a manifest, and nodes look for them.
func Tag(d digest.Digest) string { return d.Algorithm().String() + "-" + d.Encoded() + ".sig" }

// ErrNone says that there is no signature at all.
var ErrNone = errors.New("there is no signature")

// Verify checks that one of the signatures satisfies the policy, for the manifest with that
// digest and the image as pods name it. The error says why none does.
func (p *Policy) Verify(pulled oci.Ref, d digest.Digest, signatures []Signature) error {
	if p.broken != nil {
		return p.broken
	}
	var why []string
	for _, s := range signatures {
		if s.MediaType != mediaTypeSignature {
			continue // attestations and the like
		}
		err := p.verify(pulled, d, s)
		if err == nil {
			return nil
		}
		if !slices.Contains(why, err.Error()) {
			why = append(why, err.Error())
		}
	}
	if len(why) == 0 {
		return ErrNone
	}
	return errors.New("no signature is accepted: " + strings.Join(why, "; "))
}

func (p *Policy) verify(pulled oci.Ref, d digest.Digest, s Signature) error {
	encoded, ok := s.Annotations[annotationSignature]
	if !ok {
		return errors.New("the annotation " + annotationSignature + " is missing")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return errors.New("it is not in base64")
	}
	if p.rekor != nil {
		entry, ok := s.Annotations[annotationRekorEntry]
		if !ok {
			return errors.New("its entry in the transparency log is missing (annotation " + annotationRekorEntry + ")")
		}
		if err := verifyEntry(p.rekor, []byte(entry), p.key, raw, s.Payload); err != nil {
			return fmt.Errorf("its entry in the transparency log: %w", err)
		}
	}
	if !verifyBytes(p.key, s.Payload, raw) {
		return errors.New("another key made it, or what it signs was changed")
	}
	signed, err := parsePayload(s.Payload)
	if err != nil {
		return fmt.Errorf("what it signs is not as nodes expect it: %w", err)
	}
	if signed.digest != d {
		return fmt.Errorf("it is for another image, %s", signed.digest)
	}
	return p.identity.accepts(pulled, signed.reference)
}

// verifyBytes checks a signature as cosign makes it: over SHA-256, with RSA by PKCS #1 v1.5
// (sigstore, LoadVerifier).
func verifyBytes(key crypto.PublicKey, message, signature []byte) bool {
	sum := sha256.Sum256(message)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], asn1Signature(signature))
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	}
	return false
}

// asn1Signature gives a signature in ASN.1. It may also be written as two numbers of the same
// length (IEEE P1363): sigstore takes both.
func asn1Signature(signature []byte) []byte {
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err == nil {
		return signature
	}
	if len(signature)%2 != 0 {
		return nil
	}
	half := len(signature) / 2
	pair.R, pair.S = new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	der, _ := asn1.Marshal(pair) // two numbers can be written
	return der
}
