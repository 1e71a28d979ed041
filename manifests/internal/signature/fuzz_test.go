package signature

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// FuzzVerify: no message makes it fail in any way but by an error of a kind, and
// none without the key says anything but what was signed.
func FuzzVerify(f *testing.F) {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := ocitest.NewSigner("fuzz", made, 0)
	if err != nil {
		f.Fatal(err)
	}
	armoured, err := s.Key()
	if err != nil {
		f.Fatal(err)
	}
	keys, err := ParseKeys(armoured)
	if err != nil {
		f.Fatal(err)
	}
	signed, other := digest.FromString("signed"), digest.FromString("other")
	good, err := s.Sign(ocitest.Claim(signed, "a.io/b:c"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{0xa3, 1, 0})
	f.Add([]byte{0xc4, 13, 3, 0, 8, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0xcb, 0, 0xc2, 21, 3, 5, 0})
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, err := Verify(message, other, keys, made.Add(time.Hour)); err == nil || kindOf(err)[:1] == "n" {
			t.Fatalf("another payload: %v", err)
		}
		got, err := Verify(message, signed, keys, made.Add(time.Hour))
		if err == nil && (got.Payload != signed || got.Reference != "a.io/b:c") {
			t.Fatalf("it says %+v", got)
		}
		if _, err := Verify(message, signed, Keyring{}, made.Add(time.Hour)); err == nil {
			t.Fatal("no key is needed")
		}
	})
}
