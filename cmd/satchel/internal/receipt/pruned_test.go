package receipt_test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// everything is still there.
type everything struct{ gone map[digest.Digest]bool }

func (e everything) Manifest(_ string, d digest.Digest) bool { return !e.gone[d] }
func (e everything) Tag(_, tag string, d digest.Digest) bool { return !e.gone[d] && tag != "moved" }

// pruned is a receipt that a prune left.
func pruned(t *testing.T) *receipt.Receipt {
	t.Helper()
	r := receipt.Left(head().Mirror, []*receipt.Receipt{some(t)}, everything{})
	r.State, r.Bundle, r.Time = receipt.Done, receipt.PrunedID, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	r.Replaces = []digest.Digest{oci.Digest([]byte("x")), oci.Digest([]byte("y"))}
	r.Sort()
	return r
}

// TestPrunedFormat: what a prune left is read again; it is of no bundle, and nothing but it
// replaces receipts.
func TestPrunedFormat(t *testing.T) {
	t.Parallel()
	r := pruned(t)
	got, err := receipt.Decode(encoded(t, r))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%v: %+v", err, got)
	}
	for name, spoil := range map[string]func(r *receipt.Receipt){
		"of a bundle": func(r *receipt.Receipt) { r.Bundle = "abcdefghijklmnop" },
		"fingerprint": func(r *receipt.Receipt) { r.Fingerprint = strings.Repeat("0f", 32) },
		"stream":      func(r *receipt.Receipt) { r.Stream = head().Stream },
		"sequence":    func(r *receipt.Receipt) { r.Sequence = 1 },
		"packed":      func(r *receipt.Receipt) { r.Packed = r.Time },
		"supplement": func(r *receipt.Receipt) {
			r.Supplement = receipt.Supplement{Bundle: head().Bundle, Fingerprint: head().Fingerprint}
		},
		"an intent": func(r *receipt.Receipt) { r.State = receipt.Intent },
		"closes":    func(r *receipt.Receipt) { r.Closes = r.Replaces },
		"blobs": func(r *receipt.Receipt) {
			r.Blobs = []receipt.Blob{{In: []receipt.Place{{Repo: r.Repositories[0].Name}}}}
		},
		"nothing":      func(r *receipt.Receipt) { r.Replaces = nil },
		"no digest":    func(r *receipt.Receipt) { r.Replaces[0] = "sha256:0" },
		"twice":        func(r *receipt.Receipt) { r.Replaces[1] = r.Replaces[0] },
		"another from": func(r *receipt.Receipt) { r.From = receipt.Rebuilt },
		"its name":     func(r *receipt.Receipt) { r.From, r.Replaces = receipt.FromUnpack, nil },
	} {
		r := pruned(t)
		spoil(r)
		if b, err := r.Encode(); err == nil {
			t.Errorf("%s: %s was written", name, b)
		}
	}
}

// TestLeft: what satchel pushed and is there stays in the receipt, with what tags hang on, and all
// repositories.
func TestLeft(t *testing.T) {
	t.Parallel()
	older, newer := some(t), some(t)
	newer.Sequence++
	tagged := newer.Images[slices.IndexFunc(newer.Images, func(i receipt.Image) bool { return len(i.Tags) > 1 })]
	for _, r := range []*receipt.Receipt{older, newer} {
		for i, m := range r.Manifests {
			r.Manifests[i].Mark = m.Mark && m.Digest != tagged.Digest // found, with tags that satchel set
		}
	}
	gone := newer.Manifests[slices.IndexFunc(newer.Manifests, func(m receipt.Manifest) bool { return m.Digest != tagged.Digest })].Digest
	r := receipt.Left(head().Mirror, []*receipt.Receipt{older, newer}, everything{map[digest.Digest]bool{gone: true}})
	if !reflect.DeepEqual(r.Repositories, newer.Repositories) || len(r.Blobs) != 0 {
		t.Errorf("repositories %v, %d blobs", r.Repositories, len(r.Blobs))
	}
	for _, m := range newer.Manifests {
		i := slices.IndexFunc(r.Manifests, func(o receipt.Manifest) bool { return o.Digest == m.Digest && o.Repo == m.Repo })
		if (i < 0) != (m.Digest == gone) || i >= 0 && r.Manifests[i].Mark != m.Mark {
			t.Errorf("%s, %s, is at %d of %v", m.Digest, m.Mark, i, r.Manifests)
		}
	}
	if i := slices.IndexFunc(r.Images, func(o receipt.Image) bool { return o.Digest == tagged.Digest }); i < 0 || len(r.Images[i].Tags) == 0 {
		t.Errorf("the tags of what was found are not there: %+v", r.Images)
	}
	if newest := receipt.Newest([]*receipt.Receipt{r, newer}); newest[0] != newer {
		t.Error("what a prune left is newer than what it kept")
	}
}

// site is a mirror and the state of a host.
type site struct {
	*testing.T
	state  string
	mirror oci.Mirror
	proxy  *registrytest.Proxy
}

func newSite(t *testing.T) site {
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	return site{t, t.TempDir(), oci.Mirror{Host: p.Host, Namespace: "ocp/mirror"}, p}
}

func (s site) keeper(state string) *receipt.Keeper {
	client := transport.NewClient(transport.Config{})
	s.Cleanup(func() { client.Close() })
	k := &receipt.Keeper{Mirror: transport.NewMirror(client, s.mirror, 2), Repo: receipt.RepoIn(s.mirror)}
	if state != "" {
		k.Dir = receipt.HostDir(state, s.mirror)
	}
	return k
}

func (s site) history(k *receipt.Keeper) *receipt.History {
	s.Helper()
	h, err := k.History(s.Context())
	if err != nil || len(h.Odd) > 0 || h.Host != nil || h.Refused != nil {
		s.Fatalf("%v, %+v", err, h)
	}
	return h
}

// keep keeps a receipt of some images on the host and in the mirror.
func (s site) keep(k *receipt.Keeper, bundle string, seed uint64, closes ...digest.Digest) *receipt.Kept {
	s.Helper()
	r := head()
	r.Mirror, r.Bundle, r.Sequence, r.Closes = s.mirror, bundle, int(seed), closes
	if closes == nil {
		r.State = receipt.Intent
	}
	r.Fill(maker{rand.New(rand.NewPCG(seed, 1))}.graph(2, 2, 1), marks{mark: receipt.Pushed})
	one, err := k.Seal(s.Context(), r)
	if err == nil {
		err = k.ToHost(one)
	}
	if err == nil {
		err = k.ToMirror(s.Context(), s.history(k), one)
	}
	if err != nil {
		s.Fatal(err)
	}
	return one
}

func digests(list []*receipt.Kept) (all []string) {
	for _, one := range list {
		all = append(all, one.Digest.String()[7:15])
	}
	slices.Sort(all)
	return all
}

// three keeps two bundles, the first with its intent, and what a prune of the first leaves.
func (s site) three(k *receipt.Keeper) (dropped, kept *receipt.Kept, left *receipt.Receipt) {
	s.Helper()
	intent := s.keep(k, "aaaaaaaaaaaaaaaa", 1)
	dropped = s.keep(k, "aaaaaaaaaaaaaaaa", 1, intent.Digest)
	kept = s.keep(k, "bbbbbbbbbbbbbbbb", 2, []digest.Digest{}...)
	return dropped, kept, s.left(k)
}

// left is what a prune of the first bundle leaves.
func (s site) left(k *receipt.Keeper) *receipt.Receipt {
	s.Helper()
	list, err := s.history(k).LoadSure()
	if err != nil {
		s.Fatal(err)
	}
	list = slices.DeleteFunc(list, func(r *receipt.Receipt) bool { return r.Bundle == "bbbbbbbbbbbbbbbb" })
	return receipt.Left(s.mirror, list, everything{})
}

// TestReplace has a prune's receipt take the place of others, which go from the mirror and the host.
// A run that is ended at any step leaves the rest to the next one.
func TestReplace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(s.state)
	dropped, kept, left := s.three(k)
	h := s.history(k)
	if len(h.Done) != 2 || len(h.Intents) != 1 || len(h.Open()) != 0 {
		t.Fatalf("%+v", h)
	}
	one, err := k.Replace(t.Context(), h, left, []*receipt.Kept{dropped})
	if err != nil || one.Tag != receipt.PrunedID {
		t.Fatalf("%+v, %v", one, err)
	}
	same := func(name string, h *receipt.History, replaced int) {
		t.Helper()
		if want := digests([]*receipt.Kept{kept, one}); !slices.Equal(digests(h.Done), want) || h.Done[0].Digest != kept.Digest || len(h.Intents) != 0 || len(h.Replaced) != replaced {
			t.Errorf("%s: done %v (want %v), %d intents, replaced %v", name, digests(h.Done), want, len(h.Intents), digests(h.Replaced))
		}
	}
	same("at once", h, 2)
	h = s.history(k)
	same("read again", h, 2)
	if got := s.history(s.keeper(t.TempDir())); len(got.Replaced) != 0 || len(got.Done) != 3 {
		t.Errorf("on another host, which trusts nobody: %v", digests(got.Done))
	}
	// The second deletion is refused.
	deletions := 0
	s.proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			deletions++
		}
		if r.Method == http.MethodDelete && deletions > 1 {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}
		return false
	}
	if refused, err := k.Remove(t.Context(), h); err != nil || len(refused) != 1 || deletions != 2 || refused[0].Trouble != transport.DeleteUnsupported {
		t.Errorf("%v, %v", refused, err)
	}
	s.proxy.Answer = nil
	h = s.history(k)
	same("after a refusal", h, 1)
	again, err := k.Replace(t.Context(), h, s.left(k), nil)
	if err != nil || again.Digest != one.Digest {
		t.Errorf("the same was written again: %v", err)
	}
	if refused, err := k.Remove(t.Context(), h); err != nil || len(refused) != 0 {
		t.Errorf("%v, %v", refused, err)
	}
	same("at the end", s.history(k), 0)
	tags, err := k.Mirror.Tags(t.Context(), k.Repo)
	if slices.Sort(tags); err != nil || !slices.Equal(tags, []string{"bbbbbbbbbbbbbbbb", "pruned"}) {
		t.Errorf("the mirror has %v, %v", tags, err)
	}
	files, err := filepath.Glob(filepath.Join(k.Dir, "*", "*.json"))
	if err != nil || len(files) != 4 {
		t.Errorf("this host has %v, %v", files, err)
	}
}

// TestReplaceTwice: the second prune's receipt replaces the first one, and whatever that replaced,
// so that no host that was away brings it back.
func TestReplaceTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(s.state)
	dropped, kept, left := s.three(k)
	h := s.history(k)
	first, err := k.Replace(t.Context(), h, left, []*receipt.Kept{dropped})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Remove(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	h = s.history(k)
	list, err := h.LoadSure()
	if err != nil {
		t.Fatal(err)
	}
	second, err := k.Replace(t.Context(), h, receipt.Left(s.mirror, list, everything{}), []*receipt.Kept{kept})
	if err != nil || second.Tag != "pruned.2" {
		t.Fatalf("%+v, %v", second, err)
	}
	for _, d := range []digest.Digest{dropped.Digest, kept.Digest, first.Digest, dropped.Head.Closes[0]} {
		if !slices.Contains(second.Head.Replaces, d) {
			t.Errorf("%s is not replaced", d)
		}
	}
	if got := s.history(k); !slices.Equal(digests(got.Done), digests([]*receipt.Kept{second})) {
		t.Errorf("done: %v", digests(got.Done))
	}
}

// TestTagUsedAgain: where a prune took a receipt away and another one gets its tag, a host that has
// a copy of the first reads the second.
func TestTagUsedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k, other := s.keeper(s.state), s.keeper(t.TempDir())
	old := s.keep(k, "aaaaaaaaaaaaaaaa", 1, []digest.Digest{}...)
	if h := s.history(other); len(h.Done) != 1 || h.Done[0].Digest != old.Digest {
		t.Fatalf("%+v", h)
	}
	h := s.history(k)
	if _, err := k.Replace(t.Context(), h, s.left(k), h.Done); err != nil {
		t.Fatal(err)
	}
	if refused, err := k.Remove(t.Context(), h); err != nil || len(refused) != 0 || len(h.Replaced) != 0 {
		t.Fatalf("%v, %v", refused, err)
	}
	late := s.keep(k, "aaaaaaaaaaaaaaaa", 3, []digest.Digest{}...)
	if late.Tag != old.Tag {
		t.Fatalf("it has the tag %s", late.Tag)
	}
	for _, k := range []*receipt.Keeper{k, other} {
		for range 2 {
			if h := s.history(k); len(h.Of("aaaaaaaaaaaaaaaa")) != 1 || h.Of("aaaaaaaaaaaaaaaa")[0].Digest != late.Digest {
				t.Errorf("read %v, want %s", digests(h.Done), late.Digest)
			}
		}
	}
}

// TestClaimStays: what a kept receipt names as its claim stays, or nothing of that receipt would
// be a fact.
func TestClaimStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(s.state)
	claim := s.keep(s.keeper(""), "aaaaaaaaaaaaaaaa", 1, []digest.Digest{}...) // a stranger's
	r := head()
	r.Mirror, r.Bundle, r.Claims = s.mirror, "bbbbbbbbbbbbbbbb", []digest.Digest{claim.Digest}
	r.Fill(maker{rand.New(rand.NewPCG(2, 1))}.graph(2, 2, 1), marks{mark: receipt.Pushed})
	one, err := k.Seal(t.Context(), r)
	if err == nil {
		err = k.ToHost(one)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := s.history(k)
	if _, err := k.Replace(t.Context(), h, receipt.Left(s.mirror, nil, everything{}), h.Of("aaaaaaaaaaaaaaaa")); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Remove(t.Context(), h); err != nil || s.proxy.Count("DELETE manifest") != 0 || len(h.Replaced) != 1 {
		t.Errorf("%d replaced ones stay, %v", len(h.Replaced), err)
	}
	sure, err := s.history(k).Sure(s.history(k).Of("bbbbbbbbbbbbbbbb")[0])
	if err != nil || !slices.ContainsFunc(sure.Manifests, func(m receipt.Manifest) bool { return m.Mark == receipt.Pushed }) {
		t.Errorf("nothing of it is a fact: %v", err)
	}
	if _, err := os.Stat(k.Dir); err != nil {
		t.Error(err)
	}
}
