package manifests

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const testStore = "https://signatures.invalid/store"

// signedRelease is a registry with a release, and who signs it.
type signedRelease struct {
	*made
	*ocitest.Signer
	cfg     *Config
	payload oci.Descriptor
	key     string
}

func newSignedRelease(t *testing.T) *signedRelease {
	t.Helper()
	s := &signedRelease{made: newMade()}
	var err error
	s.Signer, err = ocitest.NewSigner("test", time.Now().Add(-time.Hour), 0)
	must(t, err)
	key, err := s.Key()
	must(t, err)
	s.key = string(key)
	s.payload = s.made.payload(t, "4.12.0", "amd64", s.components("etcd-1", "cli-2"))
	s.at("quay.io/ocp/rel:v", s.payload)
	s.cfg = releaseConfig(t, "quay.io/ocp/rel:v")
	s.cfg.Extra = Extra{SignatureURL: testStore + "/", SignatureKeys: s.key}
	s.files = map[string][]byte{}
	return s
}

// publish puts a file into the store, as signature n of the payload.
func (s *signedRelease) publish(payload digest.Digest, n int, body []byte) {
	s.files[fmt.Sprintf("%s/sha256=%s/signature-%d", testStore, payload.Encoded(), n)] = body
}

// sign makes a genuine message for a payload.
func (s *signedRelease) sign(t *testing.T, payload digest.Digest) []byte {
	t.Helper()
	m, err := s.Sign(ocitest.Claim(payload, "quay.io/ocp/rel:v"))
	must(t, err)
	return m
}

func TestReleaseSignature(t *testing.T) {
	s := newSignedRelease(t)
	good := s.sign(t, s.payload.Digest)
	s.publish(s.payload.Digest, 1, good)
	s.publish(s.payload.Digest, 2, []byte("\x1b[31mnone"))
	s.publish(s.payload.Digest, 3, good)
	inv, err := Resolve(t.Context(), s.cfg, s)
	must(t, err)
	must(t, inv.Validate())
	if len(inv.Images) != 3 || len(s.fetched) != 4 { // until the first that is not there
		t.Errorf("%d images; fetched %q", len(inv.Images), s.fetched)
	}
	if len(s.notes) != 1 || !strings.Contains(s.notes[0], "signature-2: it is not an OpenPGP message") {
		t.Errorf("notes %q", s.notes)
	}
	got, err := ReadSignatures(t.Context(), inv, &s.kept)
	want := []Signature{{Payload: s.payload.Digest, Number: 1, Message: good}, {Payload: s.payload.Digest, Number: 3, Message: good}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the bundle carries %+v, %v", got, err)
	}
	at := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Path == origin.PathPayload })
	if why := oci.Words(inv.Images[at].Reasons); len(why) != 2 || why[0] != "release 4.12.0 x86_64" || !strings.HasPrefix(why[1], "signed by test, key ") {
		t.Errorf("the payload's reasons are %q", why)
	}
	again, err := Resolve(t.Context(), s.cfg, s)
	if err != nil || !reflect.DeepEqual(inv, again) {
		t.Errorf("the second time gave %+v, %v", again, err)
	}
}

// TestReleaseSignatureRefused has releases that nothing vouches for: they are no
// gaps, which --keep-going would go on without, and nothing of them is read.
func TestReleaseSignatureRefused(t *testing.T) {
	other := digest.FromString("another payload")
	for _, tc := range []struct {
		name    string
		arrange func(*testing.T, *signedRelease)
		want    string // what follows the payload
		kind    signature.Kind
	}{
		{"none", func(*testing.T, *signedRelease) {}, testStore + " has none", ""},
		{"of another payload", func(t *testing.T, s *signedRelease) { s.publish(s.payload.Digest, 1, s.sign(t, other)) },
			"signature-1: it is for another payload, " + other.String(), signature.OtherPayload},
		{"forged", func(t *testing.T, s *signedRelease) {
			forged := strings.Replace(string(s.sign(t, other)), other.Encoded(), s.payload.Digest.Encoded(), 1)
			s.publish(s.payload.Digest, 1, []byte(forged))
		}, "signature-1: its body is not what was signed", signature.Forged},
		{"Red Hat's keys", func(t *testing.T, s *signedRelease) {
			s.publish(s.payload.Digest, 1, s.sign(t, s.payload.Digest))
			s.cfg.Extra.SignatureKeys = ""
		}, "signature-1: it is signed by key ", signature.UnknownKey},
		{"two bad ones", func(_ *testing.T, s *signedRelease) {
			s.publish(s.payload.Digest, 1, []byte("a"))
			s.publish(s.payload.Digest, 2, []byte("b"))
		}, "signature-1: it is not an OpenPGP message", signature.Malformed},
		{"too large", func(t *testing.T, s *signedRelease) {
			s.publish(s.payload.Digest, 1, append(s.sign(t, s.payload.Digest), make([]byte, signature.MaxMessage)...))
		}, testStore + "/sha256=", ""},
		{"bad keys", func(_ *testing.T, s *signedRelease) { s.cfg.Extra.SignatureKeys = "none" }, "the keys that were given: ", ""},
		{"no store", func(_ *testing.T, s *signedRelease) { s.cfg.Extra.SignatureURL = "file:///x" }, "the store of signatures: it is not an http", ""},
		{"OKD", func(t *testing.T, s *signedRelease) {
			s.at("quay.io/okd/scos-release:v", s.payload)
			s.cfg.Mirror.Platform.Release, s.cfg.Extra.SignatureKeys = "quay.io/okd/scos-release:v", ""
		}, "it is a release of OKD, and no key of OKD's was given", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSignedRelease(t)
			tc.arrange(t, s)
			inv, err := Resolve(t.Context(), s.cfg, s)
			var refused *SignatureError
			if !errors.As(err, &refused) || inv != nil || !strings.Contains(err.Error(), s.payload.Digest.String()+": "+tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if _, ok := oci.Gaps(err); ok {
				t.Error("it counts as a gap")
			}
			var cause *signature.Error
			if tc.kind != "" && (!errors.As(err, &cause) || cause.Kind != tc.kind) {
				t.Errorf("%v is not of kind %q", err, tc.kind)
			}
			hint := hintOwnKey + hintIgnore
			switch {
			case tc.kind == signature.Forged || tc.kind == signature.OtherPayload: // and no way around it is named
				hint = hintForged
			case tc.kind == signature.Malformed || tc.name == "too large":
				hint = hintAway
			}
			if refused.Hint != hint {
				t.Errorf("the hint is %q", refused.Hint)
			}
			if len(s.opened) != 0 {
				t.Errorf("%d files of it were read", len(s.opened))
			}
		})
	}
}

func TestReleaseSignatureIgnored(t *testing.T) {
	s := newSignedRelease(t)
	s.cfg.Extra = Extra{IgnoreReleaseSignature: true}
	inv, err := Resolve(t.Context(), s.cfg, s)
	if err != nil || len(inv.Documents) != 0 || len(s.fetched) != 0 {
		t.Errorf("%+v, %v; fetched %q", inv, err, s.fetched)
	}
	if len(s.unverified) != 1 || !strings.HasPrefix(s.unverified[0], "RELEASE NOT VERIFIED: ") {
		t.Errorf("notes %q", s.notes)
	}
	signed := *s.cfg
	signed.Extra = Extra{}
	if signed.Digest() == s.cfg.Digest() {
		t.Error("with and without is the same job")
	}
}

func TestReleaseSignatureMost(t *testing.T) {
	s := newSignedRelease(t)
	for n := 1; n <= 12; n++ {
		s.publish(s.payload.Digest, n, []byte("none"))
	}
	_, err := Resolve(t.Context(), s.cfg, s)
	if err == nil || len(s.fetched) != maxSignatures {
		t.Errorf("fetched %d, %v", len(s.fetched), err)
	}
}

// TestReleaseSignatureOfIndex: for several architectures the index is signed.
func TestReleaseSignatureOfIndex(t *testing.T) {
	s := newSignedRelease(t)
	index := s.IndexFor(true, []string{"amd64"}, s.payload)
	s.at("quay.io/ocp/rel:v", index)
	s.publish(s.payload.Digest, 1, s.sign(t, s.payload.Digest))
	if _, err := Resolve(t.Context(), s.cfg, s); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Errorf("a signature of a part counts for the whole: %v", err)
	}
	s.publish(index.Digest, 1, s.sign(t, index.Digest))
	if _, err := Resolve(t.Context(), s.cfg, s); err != nil {
		t.Error(err)
	}
}

// moving moves the release's tag when the signature has been asked for.
type moving struct {
	*signedRelease
	to oci.Descriptor
}

func (m moving) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	body, err := m.signedRelease.Fetch(ctx, url, limit)
	m.at("quay.io/ocp/rel:v", m.to)
	return body, err
}

// TestReleaseTagMoved: what was verified is what is carried.
func TestReleaseTagMoved(t *testing.T) {
	s := newSignedRelease(t)
	s.publish(s.payload.Digest, 1, s.sign(t, s.payload.Digest))
	evil := s.made.payload(t, "4.12.0", "amd64", s.components("evil-5"))
	inv, err := Resolve(t.Context(), s.cfg, moving{s, evil})
	must(t, err)
	if s.refs["quay.io/ocp/rel:v"].Digest != evil.Digest {
		t.Fatal("the tag did not move")
	}
	at := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Path == origin.PathPayload })
	if at < 0 || inv.Images[at].Root.Digest != s.payload.Digest || len(inv.Images) != 3 {
		t.Errorf("got %+v", inv.Images)
	}
	if slices.Contains(s.opened, evil.Digest) {
		t.Error("what the tag named later was read")
	}
}

// TestReadSignatures has documents that are not as satchel writes them.
func TestReadSignatures(t *testing.T) {
	name := "sha256-" + strings.Repeat("a", 64)
	body := base64.StdEncoding.EncodeToString([]byte("message"))
	for _, tc := range []struct{ title, body, want string }{
		{name + "-1", body + "\n", ""},
		{name + "-0", body, "is not the name of a signature"},
		{name + "-10", body, "is not the name of a signature"},
		{"../" + name + "-1", body, "title"},
		{name + "-1", "!", "is not a signature in base64"},
		{name + "-1", "", "is not a signature in base64"},
		{name + "-1", base64.StdEncoding.EncodeToString(make([]byte, signature.MaxMessage+1)), "is not a signature in base64"},
	} {
		var made oci.Memory
		root, err := made.Artifact(documents.ArtifactSignatures, []oci.ArtifactFile{{Title: tc.title, MediaType: "text/plain", Body: []byte(tc.body)}})
		must(t, err)
		list, err := ReadSignatures(t.Context(), &oci.Inventory{Documents: []oci.Document{{Name: documents.DocumentSignatures, Root: root}}}, &made)
		var ue *oci.UnsupportedError
		switch {
		case tc.want == "" && (err != nil || len(list) != 1 || string(list[0].Message) != "message" || list[0].Number != 1):
			t.Errorf("%s: %+v, %v", tc.title, list, err)
		case tc.want != "" && (!errors.As(err, &ue) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s %.20q: got %v", tc.title, tc.body, err)
		}
	}
	if list, err := ReadSignatures(t.Context(), &oci.Inventory{}, &oci.Memory{}); list != nil || err != nil {
		t.Errorf("of a bundle without: %v, %v", list, err)
	}
}
