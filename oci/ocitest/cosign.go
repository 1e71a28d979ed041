package ocitest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// Cosign is one signature as cosign stores it: a layer, and what stands with it.
type Cosign struct {
	Payload     []byte
	MediaType   string
	Annotations map[string]string
}

// CosignTag is the tag that the signatures of a manifest have.
func CosignTag(d digest.Digest) string { return "sha256-" + d.Encoded() + ".sig" }

// CosignPayload is what cosign signs: the manifest and what it is called.
func CosignPayload(d digest.Digest, reference string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, reference, d)
}

// SignCosign signs a payload.
func SignCosign(key crypto.Signer, payload []byte) (Cosign, error) {
	sum := sha256.Sum256(payload)
	message, opts := sum[:], crypto.SignerOpts(crypto.SHA256)
	if _, is := key.Public().(ed25519.PublicKey); is {
		message, opts = payload, crypto.Hash(0)
	}
	signature, err := key.Sign(rand.Reader, message, opts)
	return Cosign{
		Payload: payload, MediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)},
	}, err
}

// Cosigned adds the manifest that has signatures.
func (c *Content) Cosigned(signatures ...Cosign) (oci.Descriptor, error) {
	config := c.Blob([]byte(`{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`), ispec.MediaTypeImageConfig)
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Config: ispec.Descriptor{MediaType: config.MediaType, Digest: config.Digest, Size: config.Size}}
	m.SchemaVersion = 2
	for _, s := range signatures {
		d := c.Blob(s.Payload, s.MediaType)
		m.Layers = append(m.Layers, ispec.Descriptor{MediaType: s.MediaType, Digest: d.Digest, Size: d.Size, Annotations: s.Annotations})
	}
	body, err := json.Marshal(m)
	return c.Blob(body, oci.MediaTypeManifest), err
}
