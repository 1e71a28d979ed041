package receipt_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// TestOpenTrusted: a receipt that nobody confirmed does not end what a run on this host has begun;
// it ends what nobody confirmed either.
func TestOpenTrusted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own, stranger := s.keeper(s.state), s.keeper(t.TempDir())
	ours, theirs := s.keep(own, "aaaaaaaaaaaaaaaa", 1), s.keep(stranger, "bbbbbbbbbbbbbbbb", 2)
	s.keep(stranger, "aaaaaaaaaaaaaaaa", 3, ours.Digest)
	s.keep(stranger, "bbbbbbbbbbbbbbbb", 4, theirs.Digest)
	if open := s.history(own).Open(); !slices.Equal(digests(open), digests([]*receipt.Kept{ours})) {
		t.Errorf("open: %v, want %s", digests(open), ours.Digest)
	}
	s.keep(own, "aaaaaaaaaaaaaaaa", 5, ours.Digest)
	if open := s.history(own).Open(); len(open) != 0 {
		t.Errorf("open: %v", digests(open))
	}
}

// TestRemoveCompletes: what replaces others is in the mirror before these go from it, also where the
// run that made it ended before.
func TestRemoveCompletes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(s.state)
	dropped, _, left := s.three(k)
	refuse := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/"+receipt.PrunedID) {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	s.proxy.Answer = refuse
	var refused *receipt.MirrorError
	if _, err := k.Replace(t.Context(), s.history(k), left, []*receipt.Kept{dropped}); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	h := s.history(k)
	if _, err := k.Remove(t.Context(), h); !errors.As(err, &refused) || s.proxy.Count("DELETE manifest") != 0 {
		t.Errorf("%v, and it deletes", err)
	}
	s.proxy.Answer = nil
	if _, err := k.Remove(t.Context(), h); err != nil {
		t.Error(err)
	}
	tags, err := k.Mirror.Tags(t.Context(), k.Repo)
	if slices.Sort(tags); err != nil || !slices.Equal(tags, []string{"bbbbbbbbbbbbbbbb", receipt.PrunedID}) {
		t.Errorf("the mirror has %v, %v", tags, err)
	}
}

// TestClaimOfUntrusted: what a receipt rests on stays, also where it does not count in this run.
func TestClaimOfUntrusted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(s.state)
	claim := s.keep(k, "aaaaaaaaaaaaaaaa", 1, []digest.Digest{}...)
	r := head()
	r.Mirror, r.Bundle, r.Claims = s.mirror, "bbbbbbbbbbbbbbbb", []digest.Digest{claim.Digest}
	r.Fill(maker{rand.New(rand.NewPCG(2, 1))}.graph(1, 1, 1), marks{mark: receipt.Pushed})
	other := s.keeper("")
	one, err := other.Seal(t.Context(), r)
	if err == nil {
		err = other.ToMirror(t.Context(), s.history(other), one)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if out, err := proctest.Command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		t.Skipf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(file + ".pub")
	if err == nil {
		err = os.WriteFile(file+".allowed", append([]byte("alice "), public...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if k.Trust, err = bundle.LoadTrust([]string{file + ".allowed"}, 1); err != nil {
		t.Fatal(err)
	}
	h, err := k.History(t.Context())
	if err != nil || len(h.Odd) != 1 || len(h.Done) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	if _, err := k.Replace(t.Context(), h, receipt.Left(s.mirror, nil, everything{}), h.Done); err != nil {
		t.Fatal(err)
	}
	if refused, err := k.Remove(t.Context(), h); err != nil || len(refused) != 0 || s.proxy.Count("DELETE manifest") != 0 {
		t.Errorf("%v, %v", refused, err)
	}
}
