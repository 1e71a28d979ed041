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

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/release"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
)

func TestReleaseSignature(t *testing.T) {
	s := asktest.NewSignedRelease(t)
	good := s.SignPayload(t, s.Payload.Digest)
	s.Publish(s.Payload.Digest, 1, good)
	s.Publish(s.Payload.Digest, 2, []byte("\x1b[31mnone"))
	s.Publish(s.Payload.Digest, 3, good)
	inv, err := Resolve(t.Context(), s.Cfg, s)
	asktest.NoError(t, err)
	asktest.NoError(t, inv.Validate())
	if len(inv.Images) != 3 || len(s.Fetched) != 4 { // until the first that is not there
		t.Errorf("%d images; fetched %q", len(inv.Images), s.Fetched)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "signature-2: it is not an OpenPGP message") {
		t.Errorf("notes %q", s.Notes)
	}
	got, err := ReadSignatures(t.Context(), inv, &s.Stored)
	want := []Signature{{Payload: s.Payload.Digest, Number: 1, Message: good}, {Payload: s.Payload.Digest, Number: 3, Message: good}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the bundle carries %+v, %v", got, err)
	}
	at := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Path == origin.PathPayload })
	if why := oci.Words(inv.Images[at].Reasons); len(why) != 2 || why[0] != "release 4.12.0 x86_64" || !strings.HasPrefix(why[1], "signed by test, key ") {
		t.Errorf("the payload's reasons are %q", why)
	}
	again, err := Resolve(t.Context(), s.Cfg, s)
	if err != nil || !reflect.DeepEqual(inv, again) {
		t.Errorf("the second time gave %+v, %v", again, err)
	}
}

// TestReleaseSignatureRefused has releases that no good signature covers: they are not
// gaps, which --keep-going would skip, and nothing of them is read.
func TestReleaseSignatureRefused(t *testing.T) {
	other := digest.FromString("another payload")
	for _, tc := range []struct {
		name    string
		arrange func(*testing.T, *asktest.SignedRelease)
		want    string // what follows the payload
		kind    signature.Kind
	}{
		{"none", func(*testing.T, *asktest.SignedRelease) {}, asktest.TestStore + " has none", ""},
		{"of another payload", func(t *testing.T, s *asktest.SignedRelease) { s.Publish(s.Payload.Digest, 1, s.SignPayload(t, other)) },
			"signature-1: it is for another payload, " + other.String(), signature.OtherPayload},
		{"forged", func(t *testing.T, s *asktest.SignedRelease) {
			forged := strings.Replace(string(s.SignPayload(t, other)), other.Encoded(), s.Payload.Digest.Encoded(), 1)
			s.Publish(s.Payload.Digest, 1, []byte(forged))
		}, "signature-1: its body is not what was signed", signature.Forged},
		{"Red Hat's keys", func(t *testing.T, s *asktest.SignedRelease) {
			s.Publish(s.Payload.Digest, 1, s.SignPayload(t, s.Payload.Digest))
			s.Cfg.Extra.SignatureKeys = ""
		}, "signature-1: it is signed by key ", signature.UnknownKey},
		{"two bad ones", func(_ *testing.T, s *asktest.SignedRelease) {
			s.Publish(s.Payload.Digest, 1, []byte("a"))
			s.Publish(s.Payload.Digest, 2, []byte("b"))
		}, "signature-1: it is not an OpenPGP message", signature.Malformed},
		{"too large", func(t *testing.T, s *asktest.SignedRelease) {
			s.Publish(s.Payload.Digest, 1, append(s.SignPayload(t, s.Payload.Digest), make([]byte, signature.MaxMessage)...))
		}, asktest.TestStore + "/sha256=", ""},
		{"bad keys", func(_ *testing.T, s *asktest.SignedRelease) { s.Cfg.Extra.SignatureKeys = "none" }, "the keys that were given: ", ""},
		{"no store", func(_ *testing.T, s *asktest.SignedRelease) { s.Cfg.Extra.SignatureURL = "file:///x" }, "the store of signatures: it is not an http", ""},
		{"OKD", func(t *testing.T, s *asktest.SignedRelease) {
			s.At("quay.io/okd/scos-release:v", s.Payload)
			s.Cfg.Mirror.Platform.Release, s.Cfg.Extra.SignatureKeys = "quay.io/okd/scos-release:v", ""
		}, "it is a release of OKD, and no key of OKD's was given", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := asktest.NewSignedRelease(t)
			tc.arrange(t, s)
			inv, err := Resolve(t.Context(), s.Cfg, s)
			var refused *SignatureError
			if !errors.As(err, &refused) || inv != nil || !strings.Contains(err.Error(), s.Payload.Digest.String()+": "+tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if _, ok := oci.Gaps(err); ok {
				t.Error("it counts as a gap")
			}
			var cause *signature.Error
			if tc.kind != "" && (!errors.As(err, &cause) || cause.Kind != tc.kind) {
				t.Errorf("%v is not of kind %q", err, tc.kind)
			}
			hint := "a release that Red Hat did not sign"
			switch {
			case tc.kind == signature.Forged || tc.kind == signature.OtherPayload: // and no way around it is named
				hint = "do not use this release"
			case tc.kind == signature.Malformed || tc.name == "too large":
				hint = "the store of signatures gave no answer"
			}
			if !strings.HasPrefix(refused.Hint(), hint) || strings.Contains(hint, "Red Hat") != (refused.Field() == "IgnoreReleaseSignature") || refused.Permanent() == strings.Contains(hint, "no answer") {
				t.Errorf("the hint is %q", refused.Hint())
			}
			if len(s.Opened) != 0 {
				t.Errorf("%d files of it were read", len(s.Opened))
			}
		})
	}
}

func TestReleaseSignatureIgnored(t *testing.T) {
	s := asktest.NewSignedRelease(t)
	s.Cfg.Extra = Extra{IgnoreReleaseSignature: true}
	inv, err := Resolve(t.Context(), s.Cfg, s)
	if _, has := inv.Document(documents.DocumentSignatures); err != nil || has || len(s.Fetched) != 0 {
		t.Errorf("%+v, %v; fetched %q", inv, err, s.Fetched)
	}
	if len(s.Unverified) != 1 || !strings.HasPrefix(s.Unverified[0], "RELEASE NOT VERIFIED: ") {
		t.Errorf("notes %q", s.Notes)
	}
	signed := *s.Cfg
	signed.Extra = Extra{}
	if signed.Digest() == s.Cfg.Digest() {
		t.Error("with and without is the same job")
	}
}

func TestReleaseSignatureMost(t *testing.T) {
	s := asktest.NewSignedRelease(t)
	for n := 1; n <= 12; n++ {
		s.Publish(s.Payload.Digest, n, []byte("none"))
	}
	_, err := Resolve(t.Context(), s.Cfg, s)
	if err == nil || len(s.Fetched) != release.MaxSignatures {
		t.Errorf("fetched %d, %v", len(s.Fetched), err)
	}
}

// TestReleaseSignatureOfIndex: for several architectures the index is signed.
func TestReleaseSignatureOfIndex(t *testing.T) {
	s := asktest.NewSignedRelease(t)
	index := s.IndexFor(true, []string{"amd64"}, s.Payload)
	s.At("quay.io/ocp/rel:v", index)
	s.Publish(s.Payload.Digest, 1, s.SignPayload(t, s.Payload.Digest))
	if _, err := Resolve(t.Context(), s.Cfg, s); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Errorf("a signature of a part counts for the whole: %v", err)
	}
	s.Publish(index.Digest, 1, s.SignPayload(t, index.Digest))
	if _, err := Resolve(t.Context(), s.Cfg, s); err != nil {
		t.Error(err)
	}
}

// moving moves the release's tag when the signature has been asked for.
type moving struct {
	*asktest.SignedRelease
	to oci.Descriptor
}

func (m moving) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	body, err := m.SignedRelease.Fetch(ctx, url, limit)
	m.At("quay.io/ocp/rel:v", m.to)
	return body, err
}

// TestReleaseTagMoved: what was verified is what is carried.
func TestReleaseTagMoved(t *testing.T) {
	s := asktest.NewSignedRelease(t)
	s.Publish(s.Payload.Digest, 1, s.SignPayload(t, s.Payload.Digest))
	evil := s.Registry.PutPayload(t, "4.12.0", "amd64", s.Components("evil-5"))
	inv, err := Resolve(t.Context(), s.Cfg, moving{s, evil})
	asktest.NoError(t, err)
	if s.Refs["quay.io/ocp/rel:v"].Digest != evil.Digest {
		t.Fatal("the tag did not move")
	}
	at := slices.IndexFunc(inv.Images, func(i oci.Image) bool { return i.Path == origin.PathPayload })
	if at < 0 || inv.Images[at].Root.Digest != s.Payload.Digest || len(inv.Images) != 3 {
		t.Errorf("got %+v", inv.Images)
	}
	if slices.Contains(s.Opened, evil.Digest) {
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
		asktest.NoError(t, err)
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

// TestUnsignedOf: what one of several clusters refuses is for that one alone; what all refuse, for all.
func TestUnsignedOf(t *testing.T) {
	t.Parallel()
	one := func(name, namespace string) Unsigned {
		d := digest.FromString(name)
		return Unsigned{Image: oci.Image{Source: oci.Ref{Registry: "q.io", Repository: name, Digest: d}}, Manifest: d, Policy: "ClusterImagePolicy p", Namespace: namespace}
	}
	east, west := &Cluster{Name: "east"}, &Cluster{Name: "west"}
	for name, tc := range map[string]struct {
		clusters []*Cluster
		refused  [][]Unsigned
		want     string
	}{
		"no cluster": {[]*Cluster{nil}, [][]Unsigned{{one("a", "")}}, "a: ."},
		"one":        {[]*Cluster{east}, [][]Unsigned{{one("a", "")}}, "a: ."},
		"all":        {[]*Cluster{east, west}, [][]Unsigned{{one("a", "")}, {one("a", "")}}, "a: ."},
		"one of two": {[]*Cluster{east, west}, [][]Unsigned{{one("a", "")}, {one("a", ""), one("b", "")}}, "a: .b: the cluster west."},
		"one name":   {[]*Cluster{east, {Name: "east"}}, [][]Unsigned{{one("a", "")}, {one("a", "")}}, "a: ."},
		"some pods":  {[]*Cluster{east, west}, [][]Unsigned{{one("a", "n")}, nil}, "a: pods of the namespace n of the cluster east."},
	} {
		got := ""
		for _, u := range UnsignedOf(tc.clusters, tc.refused) {
			got += u.Image.Source.Repository + ": " + u.For() + "."
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// TestPartialPolicies: a policy that was read counts, whatever else the cluster has, and what was
// not read is named.
func TestPartialPolicies(t *testing.T) {
	t.Parallel()
	const version = "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nstatus: {desired: {version: %s}}\n"
	const policy = "---\napiVersion: config.openshift.io/v1\nkind: %s\nmetadata: {name: corp%s}\nspec: {scopes: [quay.io], policy: {rootOfTrust: {policyType: PublicKey, publicKey: {keyData: eA==}}}}\n"
	for name, tc := range map[string]struct {
		objects          string
		policies, unread int
	}{
		"one of the cluster":      {fmt.Sprintf(version+policy, "4.20.3", "ClusterImagePolicy", ""), 1, 2},
		"one of a namespace":      {fmt.Sprintf(version+policy, "4.20.3", "ImagePolicy", ", namespace: shop"), 1, 2},
		"technology preview":      {fmt.Sprintf(version+policy, "4.18.3", "ClusterImagePolicy", ""), 1, 2},
		"none read":               {fmt.Sprintf(version, "4.20.3"), 0, 2},
		"a version that has none": {fmt.Sprintf(version, "4.19.3"), 0, 0},
	} {
		c, err := ReadCluster("west", strings.NewReader(tc.objects))
		asktest.NoError(t, err)
		present, err := presentPolicies(c)
		if unread := unreadPolicies(c); err != nil || present.Whole || len(present.Policies) != tc.policies || len(unread) != tc.unread {
			t.Errorf("%s: %+v, %q, %v", name, present, unread, err)
		}
	}
	if list := unreadPolicies(nil); list != nil {
		t.Errorf("of no cluster: %q", list)
	}
}
