package sigstore_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
)

// TestLimits: of what anybody may put under the tag of signatures, nothing is read if it is too
// much.
func TestLimits(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		entries int
		size    int64
	}{
		"300 entries, more than the 256":              {300, 200},
		"41943040 bytes, more than the 16777216":      {10, 4 << 20},
		"5242880 bytes, more than the 4194304":        {1, 5 << 20},
		"the content is asked for":                    {1, 200},
		"a size of -1 bytes":                          {1, -1},
		"257 entries, more than the 256 that satchel": {257, 0},
	} {
		layers := make([]oci.Descriptor, c.entries)
		for i := range layers {
			layers[i] = oci.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: digest.FromString(fmt.Sprint(i)), Size: c.size}
		}
		body, err := json.Marshal(map[string]any{"schemaVersion": 2, "layers": layers})
		if err != nil {
			t.Fatal(err)
		}
		var content oci.Memory
		root := content.Add(oci.MediaTypeManifest, body)
		_, err = sigstore.Read(t.Context(), root, oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
			if d.Digest == root.Digest {
				return content.Open(ctx, d, off)
			}
			return nil, errors.New("the content is asked for")
		}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
}

// TestPolicyLimits: what a payload or a cluster has as a policy takes no more time than it should.
func TestPolicyLimits(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var scopes []string
	for i := range 257 {
		scopes = append(scopes, fmt.Sprintf("quay.io/a/%d", i))
	}
	if _, err := sigstore.Parse(policyJSON(public(t, small), nil, "", scopes...)); err == nil || !strings.Contains(err.Error(), "257 scopes") {
		t.Errorf("scopes: %v", err)
	}
	policyOf(t, policyJSON(public(t, small), nil, "", scopes[:256]...))
	small.N = new(big.Int).SetBit(small.N, 20000, 1)
	if p := policyOf(t, policyJSON(public(t, small), nil, "", art)); !strings.Contains(p.Unchecked, "RSA key of 20001 bits") {
		t.Errorf("a large key: %q", p.Unchecked)
	}
}
