package unpack_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport"
)

// twoSigners makes two keys, and trust in both.
func twoSigners(t *testing.T) (keys []*bundle.Signer, trust *bundle.Trust) {
	t.Helper()
	var allowed strings.Builder
	for i := range 2 {
		file := filepath.Join(t.TempDir(), "key")
		if text, err := proctest.Command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Skipf("%v %s", err, text)
		}
		signer, err := bundle.LoadSigner(t.Context(), file, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, signer)
		public, err := os.ReadFile(file + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&allowed, "person%d %s", i, public)
	}
	list := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(list, []byte(allowed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := bundle.LoadTrust([]string{list}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return keys, trust
}

// put stores a receipt in the mirror of o.
func put(t *testing.T, o unpack.Options, tag string, body []byte, sigs [][]byte) {
	t.Helper()
	a := &transport.Artifact{Type: "application/vnd.satchel.receipt.v1", Files: []transport.File{{Name: "receipt.json", Type: "application/vnd.satchel.receipt.v1+json", Body: body}}}
	for i, s := range sigs {
		a.Files = append(a.Files, transport.File{Name: receipt.SignatureFile("receipt.json", i), Type: "x/y", Body: s})
	}
	if err := transport.NewMirror(jobtest.Client(), o.Site.Mirror, 2).PutArtifact(t.Context(), receipt.RepoIn(o.Site.Mirror).WithTag(tag), a); err != nil {
		t.Fatal(err)
	}
}

// TestReceiptOfAnotherMirror has somebody copy a receipt that is signed to a mirror whose content
// is other people's: it makes nothing satchel's.
func TestReceiptOfAnotherMirror(t *testing.T) {
	t.Parallel()
	s := newSite(t, 901)
	keys, trust := twoSigners(t)
	a := s.options(t, "")
	a.Receipts.Signers = keys[:1]
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), a); err != nil {
		t.Fatal(err)
	}
	ka := &receipt.Keeper{Mirror: transport.NewMirror(jobtest.Client(), a.Site.Mirror, 2), Repo: receipt.RepoIn(a.Site.Mirror)}
	h, err := ka.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := h.Done[0].Body()
	if err != nil {
		t.Fatal(err)
	}
	other := newMirror(t)
	for repo, root := range s.roots {
		if err := ocitest.Push(t.Context(), s.Content, root, "http://"+other.Host, "in/"+repo, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	b := s.options(t, "")
	b.Site.Mirror.Host = other.Host
	b.Receipts.Trust = trust
	put(t, b, s.reader.ID(), body, h.Done[0].Signatures())
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), b); err != nil {
		t.Fatal(err)
	}
	kb := &receipt.Keeper{Mirror: transport.NewMirror(jobtest.Client(), b.Site.Mirror, 2), Repo: receipt.RepoIn(b.Site.Mirror)}
	hb, err := kb.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(hb.Done) != 1 || len(hb.Odd) != 1 || !strings.Contains(hb.Odd[0].Error(), "it is of another mirror, "+a.Site.Mirror.String()) {
		t.Fatalf("%d receipts, odd: %v", len(hb.Done), hb.Odd)
	}
	for _, m := range load(t, hb.Done[0]).Manifests {
		if m.Mark != receipt.Found {
			t.Errorf("%s, which somebody else pushed, is marked as %s", m.Digest, m.Mark)
		}
	}
}

// TestSecondSignatureLate has the mirror get a second signature that a run left on the host.
func TestSecondSignatureLate(t *testing.T) {
	t.Parallel()
	s := newSite(t, 904)
	keys, trust := twoSigners(t)
	state := t.TempDir()
	o := s.options(t, "")
	o.State, o.Receipts.Signers = state, keys[:1]
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	o.Receipts.Signers = keys
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/satchel/receipts/manifests") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	var refused *receipt.MirrorError
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	s.mirror.Answer = nil
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	k := &receipt.Keeper{Mirror: transport.NewMirror(jobtest.Client(), o.Site.Mirror, 2), Repo: receipt.RepoIn(o.Site.Mirror), Trust: trust}
	h, err := k.History(t.Context())
	if err != nil || len(h.Done) != 1 || len(h.Done[0].Signed) != 2 {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestNewerReceiptUnsigned: what nobody who is trusted has signed stops no run, whatever version
// it says it has.
func TestNewerReceiptUnsigned(t *testing.T) {
	t.Parallel()
	s := newSite(t, 905)
	_, trust := twoSigners(t)
	o := s.options(t, "")
	put(t, o, "aaaaaaaaaaaaaaaa", []byte(`{"satchel":"receipt/2"}`), nil)
	var newer *oci.VersionError
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &newer) {
		t.Errorf("without trust: %v", err)
	}
	o.Receipts.Trust = trust
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Error(err)
	}
}
