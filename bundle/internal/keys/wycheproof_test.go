package keys

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestWycheproofX25519 takes Wycheproof's key agreements for the stanza of a file: the identity opens it
// exactly where the agreement is one, and never where the shared secret would be zero.
func TestWycheproofX25519(t *testing.T) {
	t.Parallel()
	out, err := proctest.Command(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudflare/circl").Output()
	f, oerr := os.Open(filepath.Join(strings.TrimSpace(string(out)), "dh", "x25519", "testdata", "wycheproof_kat.json.gz"))
	if err != nil || oerr != nil {
		t.Skipf("the vectors come with github.com/cloudflare/circl, which is not there: %v %v", err, oerr)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		ID                      int `json:"tcId"`
		Public, Private, Shared string
	}
	if err := json.NewDecoder(z).Decode(&list); err != nil || len(list) < 80 {
		t.Fatal(len(list), err)
	}
	zero := 0
	for _, c := range list {
		public, private, shared := unhex(t, c.Public), unhex(t, c.Private), unhex(t, c.Shared)
		list, err := ReadIdentities("key", strings.NewReader(identityOf(private)+"\n"), nil, nil)
		if err != nil {
			t.Fatalf("%d: %v", c.ID, err)
		}
		got, err := list[0].key.Unwrap([]*age.Stanza{stanzaOf(t, public, private, shared)})
		none := bytes.Equal(shared, make([]byte, 32))
		if none {
			zero++
		}
		if opened := err == nil && string(got) == "YELLOW SUBMARINE"; opened == none {
			t.Errorf("%d: %q, %v", c.ID, got, err)
		}
	}
	if zero == 0 {
		t.Error("no vector has a shared secret of zero")
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stanzaOf wraps a file key with a shared secret, as the age specification says.
func stanzaOf(t *testing.T, public, private, shared []byte) *age.Stanza {
	t.Helper()
	own, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	salt := append(bytes.Clone(public), own.PublicKey().Bytes()...)
	key, err := hkdf.Key(sha256.New, shared, salt, "age-encryption.org/v1/X25519", chacha20poly1305.KeySize)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return &age.Stanza{Type: stanzaX25519, Args: []string{base64.RawStdEncoding.EncodeToString(public)},
		Body: aead.Seal(nil, make([]byte, aead.NonceSize()), []byte("YELLOW SUBMARINE"), nil)}
}

// identityOf writes a secret key as age does: Bech32 (BIP 173).
func identityOf(private []byte) string {
	const letters, name = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", "age-secret-key-"
	var values []byte
	acc, bits := 0, 0
	for _, b := range private {
		for acc, bits = acc<<8|int(b), bits+8; bits >= 5; bits -= 5 {
			values = append(values, byte(acc>>(bits-5)&31))
		}
		acc &= 1<<bits - 1
	}
	values = append(values, byte(acc<<(5-bits)&31))
	var all []byte
	for i := range name {
		all = append(all, name[i]>>5)
	}
	all = append(all, 0)
	for i := range name {
		all = append(all, name[i]&31)
	}
	sum := 1
	for _, v := range append(append(all, values...), 0, 0, 0, 0, 0, 0) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ int(v)
		for i, g := range []int{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	sum ^= 1
	for i := range 6 {
		values = append(values, byte(sum>>(5*(5-i))&31))
	}
	text := name + "1"
	for _, v := range values {
		text += string(letters[v])
	}
	return strings.ToUpper(text)
}
