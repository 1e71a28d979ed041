package sigstore_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// entry is what a transparency log says of a signature.
type entry struct {
	Kind, Version, Hash, Algorithm string
	Signature, Key                 []byte
	later                          func(string) string // changes what was signed
}

func newEntry(t testing.TB, s ocitest.Cosign, key []byte) entry {
	t.Helper()
	signature, err := base64.StdEncoding.DecodeString(s.Annotations["dev.cosignproject.cosign/signature"])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(s.Payload)
	return entry{Kind: "hashedrekord", Version: "0.0.1", Hash: hex.EncodeToString(sum[:]), Algorithm: "sha256", Signature: signature, Key: key}
}

// signed is the entry as cosign attaches it.
func (e entry) signed(t testing.TB, log crypto.Signer) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"kind": e.Kind, "apiVersion": e.Version, "spec": map[string]any{
		"signature": map[string]any{"content": e.Signature, "publicKey": map[string]any{"content": e.Key}},
		"data":      map[string]any{"hash": map[string]any{"algorithm": e.Algorithm, "value": e.Hash}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	payload := fmt.Sprintf(`{"body":%q,"integratedTime":1700000000,"logID":"c0d23d6a","logIndex":7}`, base64.StdEncoding.EncodeToString(body))
	sum := sha256.Sum256([]byte(payload))
	signature, err := log.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if e.later != nil {
		payload = e.later(payload)
	}
	return fmt.Sprintf(`{"SignedEntryTimestamp":%q,"Payload":%s}`, base64.StdEncoding.EncodeToString(signature), payload)
}

// twoNumbers writes a signature in ASN.1 as two numbers of a size.
func twoNumbers(t testing.TB, encoded string, size int) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(encoded)
	var pair struct{ R, S *big.Int }
	if err == nil {
		_, err = asn1.Unmarshal(der, &pair)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 2*size)
	pair.R.FillBytes(out[:size])
	pair.S.FillBytes(out[size:])
	return base64.StdEncoding.EncodeToString(out)
}
