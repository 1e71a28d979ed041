package signature

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const data = "../../../../shared/data/release"

func realFile(t *testing.T, name string) []byte {
	t.Helper()
	if _, err := os.Stat(data); err != nil {
		t.Skipf("the files of other projects are not here: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(data, name))
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Kind(fmt.Sprint("none: ", err))
}

func ring(t *testing.T, files ...string) Keyring {
	t.Helper()
	var all []byte
	for _, f := range files {
		all = append(all, realFile(t, "cluster-update-keys/keys/verifier-public-key-"+f)...)
	}
	k, err := ParseKeys(all)
	must(t, err)
	if len(k.keys) != len(files) {
		t.Fatalf("%d keys of %d files", len(k.keys), len(files))
	}
	return k
}

var today = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

type realSignature struct {
	payload digest.Digest
	file    string
	ci      bool // of openshift-ci's key, which expired in 2021
}

var realSignatures = []realSignature{
	{"sha256:0da6316466d60a3a4535d5fed3589feb0391989982fba59d47d4c729912d6363", "signature-1", false},
	{"sha256:195de2a5ef3af1083620a62a45ea61ac1233ffa27bbce7b30609a69775aeca19", "signature-1", false}, // of version 3
	{"sha256:7039e7bd34fd024ff619df914528c8d85e62b847291f6684096fd4ca8dba2bbd", "signature-2", false},
	{"sha256:edd9824f0404f1a139688017e7001370e2f3fbc088b94da84506653b473fe140", "signature-1", true},
}

func (r realSignature) read(t *testing.T) []byte {
	return realFile(t, "signatures/"+strings.Replace(r.payload.String(), ":", "=", 1)+"/"+r.file)
}

// TestRealSignatures judges every real signature by every keyring.
func TestRealSignatures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(data + "/signatures/*/*")
	must(t, err)
	if len(files) == 0 {
		t.Skip("the files of other projects are not here")
	}
	if len(files) != len(realSignatures) {
		t.Fatalf("%d signatures, of which %d are known", len(files), len(realSignatures))
	}
	redhat, err := RedHat()
	must(t, err)
	ci := ring(t, "openshift-ci", "openshift-ci-2", "openshift-ci-3", "openshift-ci-4")
	beta := ring(t, "redhat-beta-2")
	another := digest.FromString("another payload")
	for _, r := range realSignatures {
		message := r.read(t)
		own, other, now := redhat, ci, today
		if r.ci {
			own, other, now = ci, redhat, time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
			if _, err := Verify(message, r.payload, own, today); kindOf(err) != Expired {
				t.Errorf("%s by an expired key: %v", r.payload, err)
			}
		}
		s, err := Verify(message, r.payload, own, now)
		if err != nil || s.Payload != r.payload || !strings.Contains(s.Reference, "ocp") || s.Created.IsZero() {
			t.Errorf("%s: %+v, %v", r.payload, s, err)
		}
		for name, got := range map[string]error{
			"another payload": second(Verify(message, another, own, now)),
			"other keys":      second(Verify(message, r.payload, other, now)),
			"beta key":        second(Verify(message, r.payload, beta, now)),
			"no keys":         second(Verify(message, r.payload, Keyring{}, now)),
			"before its time": second(Verify(message, r.payload, own, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))),
		} {
			want := map[string]Kind{"another payload": OtherPayload, "before its time": Expired}[name]
			if want == "" {
				want = UnknownKey
			}
			if kindOf(got) != want {
				t.Errorf("%s, %s: %v", r.payload, name, got)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestRealDamage flips and cuts every byte of every real message: never is another
// claim believed, and what is in the body never goes through changed.
func TestRealDamage(t *testing.T) {
	t.Parallel()
	redhat, err := RedHat()
	must(t, err)
	for _, r := range realSignatures {
		keys, now := redhat, today
		if r.ci {
			keys, now = ring(t, "openshift-ci"), time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
		}
		message := r.read(t)
		whole, err := Verify(message, r.payload, keys, now)
		must(t, err)
		refused := 0
		for i := range message {
			forged := bytes.Clone(message)
			forged[i] ^= 1 << (i % 8)
			s, err := Verify(forged, r.payload, keys, now)
			if err != nil {
				refused++
				if strings.HasPrefix(string(kindOf(err)), "none") {
					t.Errorf("byte %d: %v is of no kind", i, err)
				}
			} else if *s != *whole {
				t.Errorf("%s: with byte %d changed it says %+v", r.payload, i, s)
			}
		}
		// The date and file name of the body are not signed, nor is what announces it.
		if refused < len(message)*9/10 {
			t.Errorf("%s: %d of %d changes were refused", r.payload, refused, len(message))
		}
		for n := range message[:len(message)-3] { // deflate's last bytes may say nothing
			if _, err := Verify(message[:n], r.payload, keys, now); err == nil {
				t.Errorf("%s: its first %d bytes pass", r.payload, n)
			}
		}
	}
}

type signing struct {
	*ocitest.Signer
	keys Keyring
}

func newSigning(t *testing.T, made time.Time, lifetime time.Duration) signing {
	t.Helper()
	s, err := ocitest.NewSigner("test", made, lifetime)
	must(t, err)
	return signing{s, parsed(t, s)}
}

func parsed(t *testing.T, s *ocitest.Signer) Keyring {
	t.Helper()
	armoured, err := s.Key()
	must(t, err)
	keys, err := ParseKeys(armoured)
	must(t, err)
	return keys
}

func (s signing) sign(t *testing.T, body string) []byte {
	t.Helper()
	m, err := s.Sign([]byte(body))
	must(t, err)
	return m
}

// TestForgedBody changes each byte of a body that lies open in its message.
func TestForgedBody(t *testing.T) {
	t.Parallel()
	s, payload := newSigning(t, today.Add(-time.Hour), 0), digest.FromString("p")
	body := string(ocitest.Claim(payload, "a.io/b:c"))
	message := s.sign(t, body)
	if got, err := Verify(message, payload, s.keys, today); err != nil || got.Reference != "a.io/b:c" {
		t.Fatalf("%+v, %v", got, err)
	}
	at := bytes.Index(message, []byte(body))
	if at < 0 {
		t.Fatal("the body is not in the message as it is")
	}
	for i := range len(body) {
		forged := bytes.Clone(message)
		forged[at+i] ^= 0x01
		if _, err := Verify(forged, payload, s.keys, today); kindOf(err) != Forged {
			t.Errorf("byte %d of the body: %v", i, err)
		}
	}
	// The digest put in place of another, by one who has no key.
	evil := digest.FromString("e")
	forged := bytes.Replace(message, []byte(payload.Encoded()), []byte(evil.Encoded()), 1)
	if _, err := Verify(forged, evil, s.keys, today); kindOf(err) != Forged {
		t.Errorf("another digest in the body: %v", err)
	}
}

func TestKeysInTime(t *testing.T) {
	t.Parallel()
	payload, made := digest.FromString("p"), today.Add(-24*time.Hour)
	claim := string(ocitest.Claim(payload, "a.io/b:c"))
	short := newSigning(t, made, time.Hour)
	if _, err := Verify(short.sign(t, claim), payload, short.keys, made.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct {
		s    signing
		now  time.Time
		want Kind
	}{
		"expired key":   {short, today, Expired},
		"not yet valid": {newSigning(t, today.Add(time.Hour), 0), today, Expired},
	} {
		if _, err := Verify(tc.s.sign(t, claim), payload, tc.s.keys, tc.now); kindOf(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone := newSigning(t, made, 0)
	message := gone.sign(t, claim)
	must(t, gone.Revoke())
	if _, err := Verify(message, payload, parsed(t, gone.Signer), today); kindOf(err) != Revoked {
		t.Errorf("revoked key: %v", err)
	}
	if _, err := Verify(message, payload, newSigning(t, made, 0).keys, today); kindOf(err) != UnknownKey {
		t.Errorf("unknown key: %v", err)
	}
}

// TestClaim has bodies that a trusted key signed and that are no claim.
func TestClaim(t *testing.T) {
	t.Parallel()
	s, payload := newSigning(t, today.Add(-time.Hour), 0), digest.FromString("p")
	const (
		image    = `"image":{"docker-manifest-digest":"DIGEST"}`
		identity = `"identity":{"docker-reference":"a.io/b:c"}`
		kind     = `"type":"atomic container signature"`
	)
	good := `{"critical":{` + image + `,` + identity + `,` + kind + `},"optional":{"a":[1]}}`
	for body, want := range map[string]string{
		good: "",
		"\n" + strings.Replace(good, `,"optional":{"a":[1]}`, "", 1) + "\n": "",
		`{"critical":{` + image + `,` + identity + `}}`:                     `critical: it has no "type"`,
		`{"critical":{` + image + `,` + kind + `}}`:                         `critical: it has no "identity"`,
		`{"critical":{` + identity + `,` + kind + `}}`:                      `critical: it has no "image"`,
		`{"optional":{}}`: `its body: it has no "critical"`,
		strings.Replace(good, "atomic", "cosign", 1):         `critical.type is "cosign container signature", not "atomic container signature"`,
		strings.Replace(good, `"critical"`, `"Critical"`, 1): `its body: it has "Critical", twice or out of place`,
		strings.Replace(good, image, image+","+image, 1):     `critical: it has "image", twice or out of place`,
		strings.Replace(good, kind, kind+`,"x":1`, 1):        `critical: it has "x", twice or out of place`,
		strings.Replace(good, `"DIGEST"`, `7`, 1):            `critical: it has something else than a text`,
		strings.Replace(good, `"DIGEST"`, `null`, 1):         `critical: it has something else than a text`,
		strings.Replace(good, `"DIGEST"`, `"sha256:x"`, 1):   `critical.image.docker-manifest-digest`,
		strings.Replace(good, `"a.io/b:c"`, `""`, 1):         `critical: it has an empty text`,
		good + good:       `its body: something comes after it`,
		`["critical"]`:    `its body: it is not a JSON object`,
		`{"critical":[]}`: `critical: it is not a JSON object`,
		"":                `its body: it is not JSON`,
	} {
		_, err := Verify(s.sign(t, strings.ReplaceAll(body, "DIGEST", payload.String())), payload, s.keys, today)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", body, err)
		case want != "" && (kindOf(err) != Malformed || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}

// TestNoMessage has what is no message, or a larger one than any.
func TestNoMessage(t *testing.T) {
	t.Parallel()
	s, payload := newSigning(t, today.Add(-time.Hour), 0), digest.FromString("p")
	good := s.sign(t, string(ocitest.Claim(payload, "a.io/b:c")))
	armoured, err := s.Key()
	must(t, err)
	for name, message := range map[string][]byte{
		"empty":            nil,
		"text":             []byte("<html>404</html>"),
		"key":              armoured,
		"two messages":     append(bytes.Clone(good), good...),
		"bytes at the end": append(bytes.Clone(good), "more"...),
		"too large":        append(bytes.Clone(good), make([]byte, MaxMessage)...),
		"large body":       s.sign(t, strings.Repeat(" ", MaxMessage)+"{}"),
		"bomb":             bomb(t),
	} {
		if _, err := Verify(message, payload, s.keys, today); kindOf(err) != Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// bomb is a compressed packet (RFC 4880, 5.6) of much more than it seems.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.Write([]byte{0xa3, 1}) // of no stated length, ZIP
	w, err := flate.NewWriter(&b, flate.BestCompression)
	must(t, err)
	_, err = w.Write(make([]byte, 16<<20))
	must(t, err)
	must(t, w.Close())
	if b.Len() > MaxMessage {
		t.Fatalf("the bomb has %d bytes", b.Len())
	}
	return b.Bytes()
}

// TestParseKeys has what is no public key.
func TestParseKeys(t *testing.T) {
	t.Parallel()
	s := newSigning(t, today, 0)
	armoured, err := s.Key()
	must(t, err)
	two, err := ParseKeys(append(append([]byte("a comment\n"), armoured...), append([]byte("\n"), armoured...)...))
	if err != nil || len(two.keys) != 2 {
		t.Errorf("two blocks: %d keys, %v", len(two.keys), err)
	}
	for name, in := range map[string][]byte{
		"empty":     nil,
		"text":      []byte("hello"),
		"cut off":   armoured[:len(armoured)/2],
		"no key":    bytes.ReplaceAll(armoured, []byte("PUBLIC KEY BLOCK"), []byte("MESSAGE")),
		"too large": make([]byte, MaxKeys+1),
		"half bad":  append(bytes.Clone(armoured), "\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"...),
	} {
		if _, err := ParseKeys(in); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	redhat, err := RedHat()
	must(t, err)
	var prints []string
	for _, e := range redhat.keys {
		prints = append(prints, fmt.Sprintf("%X", e.PrimaryKey.Fingerprint))
	}
	// As Red Hat publishes them, "Product Signing Keys".
	if got := strings.Join(prints, " "); got != "567E347AD0044ADE55BA8A5F199E2F91FD431D51 B08B659EE86AF623BC90E8DB938A80CAF21541EB" {
		t.Errorf("embedded are %s", got)
	}
}
