package asktest

import (
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const TestStore = "https://signatures.invalid/store"

// SignedRelease is a registry with a release, and who signs it.
type SignedRelease struct {
	*Registry
	*ocitest.Signer
	Cfg     *imageset.Config
	Payload oci.Descriptor
	key     string
}

func NewSignedRelease(t *testing.T) *SignedRelease {
	t.Helper()
	s := &SignedRelease{Registry: NewRegistry()}
	var err error
	s.Signer, err = ocitest.NewSigner("test", time.Now().Add(-time.Hour), 0)
	NoError(t, err)
	key, err := s.Key()
	NoError(t, err)
	s.key = string(key)
	s.Payload = s.Registry.PutPayload(t, "4.12.0", "amd64", s.Components("etcd-1", "cli-2"))
	s.At("quay.io/ocp/rel:v", s.Payload)
	s.Cfg = ReleaseConfig(t, "quay.io/ocp/rel:v")
	s.Cfg.Extra = imageset.Extra{SignatureURL: TestStore + "/", SignatureKeys: s.key}
	s.Published = map[string][]byte{}
	return s
}

// Publish puts a file into the store, as signature n of the payload.
func (s *SignedRelease) Publish(payload digest.Digest, n int, body []byte) {
	s.Published[fmt.Sprintf("%s/sha256=%s/signature-%d", TestStore, payload.Encoded(), n)] = body
}

// SignPayload makes a genuine message for a payload.
func (s *SignedRelease) SignPayload(t *testing.T, payload digest.Digest) []byte {
	t.Helper()
	m, err := s.Sign(ocitest.Claim(payload, "quay.io/ocp/rel:v"))
	NoError(t, err)
	return m
}

func NewTestSigner(t *testing.T, name string) (*ocitest.Signer, string) {
	t.Helper()
	s, err := ocitest.NewSigner(name, time.Now().Add(-time.Hour), 0)
	NoError(t, err)
	key, err := s.Key()
	NoError(t, err)
	return s, string(key)
}
