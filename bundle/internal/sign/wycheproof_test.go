package sign

import (
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestWycheproofEd25519 takes Wycheproof's signatures through the keys that check satchel's.
func TestWycheproofEd25519(t *testing.T) {
	t.Parallel()
	out, err := proctest.Command(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudflare/circl").Output()
	f, oerr := os.Open(filepath.Join(strings.TrimSpace(string(out)), "sign", "ed25519", "testdata", "wycheproof_Ed25519.json.gz"))
	if err != nil || oerr != nil {
		t.Skipf("the vectors come with github.com/cloudflare/circl, which is not there: %v %v", err, oerr)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		TestGroups []struct {
			Key   struct{ PK string }
			Tests []struct {
				ID               int `json:"tcId"`
				Msg, Sig, Result string
			}
		}
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	results := map[string]int{}
	for _, g := range all.TestGroups {
		pub, err := ssh.NewPublicKey(ed25519.PublicKey(unhex(t, g.Key.PK)))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range g.Tests {
			results[c.Result]++
			err := pub.Verify(unhex(t, c.Msg), &ssh.Signature{Format: ssh.KeyAlgoED25519, Blob: unhex(t, c.Sig)})
			if (err == nil) != (c.Result == "valid") {
				t.Errorf("%d: %v, want %s", c.ID, err, c.Result)
			}
		}
	}
	if results["valid"] < 50 || results["invalid"] < 50 {
		t.Errorf("%v", results)
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

// TestSecondFormOfSignature: of a signature file's signature no other form passes, such as the one with the
// order of the group added to its second half, which Wycheproof has for plain signatures.
func TestSecondFormOfSignature(t *testing.T) {
	t.Parallel()
	body, err := StandIn().Sign(context.Background(), BundleNamespace, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	for name, change := range map[string]func(blob []byte) []byte{
		"none":          func(blob []byte) []byte { return blob },
		"a larger half": func(blob []byte) []byte { return append(blob[:32:32], plus(blob[32:], order)...) },
		"cut":           func(blob []byte) []byte { return blob[:63] },
		"longer":        func(blob []byte) []byte { return append(blob, 0) },
	} {
		sig, err := parse(body)
		if err != nil {
			t.Fatal(err)
		}
		sig.Signature.Blob = change(slices.Clone(sig.Signature.Blob))
		if _, err := (Signature{Body: sshsig.Armor(sig)}).Of(BundleNamespace, []byte("message")); (err == nil) != (name == "none") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// plus adds to a number whose least byte is the first.
func plus(half []byte, n *big.Int) []byte {
	b := slices.Clone(half)
	slices.Reverse(b)
	sum := new(big.Int).Add(new(big.Int).SetBytes(b), n).FillBytes(make([]byte, len(half)))
	slices.Reverse(sum)
	return sum
}
