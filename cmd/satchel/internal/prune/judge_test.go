package prune_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// uses is what is in use.
type uses struct {
	digests map[digest.Digest]string
	tags    map[string]string
}

func (u uses) Digest(_ string, d digest.Digest) string { return u.digests[d] }
func (u uses) Tag(repo, tag string) string             { return u.tags[repo+":"+tag] }
func (u uses) Notes() []string                         { return []string{"a note"} }

// TestStays has things stay that something else stands on, each in a repository of its own, and
// says why.
func TestStays(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartV3(t, false, "", "").Host, 4)
	index := func() (oci.Descriptor, []oci.Descriptor) {
		list := s.Index(false, s.image(), s.image())
		parts, err := oci.ReadChildren(t.Context(), s.Content, list)
		if err != nil {
			t.Fatal(err)
		}
		return list, parts
	}
	whole, used := index()
	over, below := index()
	theirs := s.Index(false, over, s.image()) // an index of theirs over an index of ours
	alone, kept := index()
	moved, back := s.image(), s.image()
	named, chosen := s.image(), s.image()
	image, sig, other := s.image(), s.Artifact("text/spam", s.Blob([]byte("1"), "text/plain")), s.Artifact("text/spam", s.Blob([]byte("2"), "text/plain"))
	hidden := s.image()
	found := s.image()
	s.push("found", found, "theirs")
	s.bring(1, from("used", whole, "1"), from("over", over, "1"), from("alone", alone, "1"), from("moved", moved, "x"), from("named", named, "n"),
		from("sig", image, "1"), on(image, from("sig", sig, "sha256-"+image.Digest.Encoded()+".sig")), from("chosen", chosen, "1"), from("elsewhere", hidden, "1"), from("found", found, "ours"))
	s.push("over", theirs, "theirs")
	s.bring(2, from("alone", kept[0], "2"), from("moved", back, "x"), from("sig", image, "1"), from("here", hidden, "1"))
	s.push("moved", moved, "x") // somebody has moved it back
	s.push("sig", other, "sha256-"+image.Digest.Encoded()+".att")
	o := s.options(1)
	o.InUse = func(context.Context, []*receipt.Receipt) (prune.Uses, error) {
		return uses{map[digest.Digest]string{used[1].Digest: "pod a/b"}, map[string]string{"in/named:n": "pod c/d"}}, nil
	}
	plan := s.prune(o)
	for _, c := range []struct {
		repo string
		d    oci.Descriptor
		want string
	}{
		{"used", used[1], "stays: pod a/b"},
		{"used", whole, "stays: an image of it has no other name"},
		{"used", used[0], "stays: an index that stays has it: 1"},
		{"over", over, "stays: an index that stays has it: theirs"},
		{"over", below[0], "stays: an index that stays has it: 1"},
		{"alone", alone, "deleted: "},
		{"alone", kept[0], "not named"},
		{"alone", kept[1], "deleted: "},
		{"moved", moved, "stays: its tag x is not satchel's"},
		{"named", named, "stays: pod c/d"},
		{"sig", image, "not named"},
		{"sig", sig, "stays: it belongs to an image that stays: 1"},
		{"elsewhere", hidden, "deleted: "},
		{"here", hidden, "not named"},
		{"found", found, "not named"},
	} {
		if got := why(plan, c.repo, c.d); !strings.HasPrefix(got, c.want) || got == "not named" && c.want != got {
			t.Errorf("%s: %s, want %s", c.repo, got, c.want)
		}
	}
	s.want(true, s.ref("over").WithTag("theirs"), s.ref("used").WithTag("1"), s.ref("used").WithTag(oci.DigestTag(whole.Digest)), s.ref("moved").WithTag("x"), s.ref("sig").WithTag("sha256-"+image.Digest.Encoded()+".sig"), s.ref("sig").WithTag("sha256-"+image.Digest.Encoded()+".att"), s.ref("found").WithTag("ours"))
	for repo, root := range map[string]oci.Descriptor{"over": theirs, "used": whole, "here": hidden, "sig": image} {
		s.pulls(repo, root)
	}
	if len(plan.Notes) == 0 || plan.Notes[0] != "a note" {
		t.Errorf("notes: %v", plan.Notes)
	}
}

// TestOnly deletes what was asked for, and what is left goes with a later run.
func TestOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 5)
	one, two := s.image(), s.image()
	s.bring(1, from("a", one, "1"), from("b", two, "1"))
	s.bring(2, from("c", s.image(), "1"))
	o := s.options(1)
	o.Only = func(context.Context, []*receipt.Receipt) (prune.Choice, error) { return choice(one.Digest), nil }
	if plan := s.prune(o); why(plan, "a", one) != "deleted: " || why(plan, "b", two) != "stays: "+prune.NotAsked {
		t.Errorf("%s, %s", why(plan, "a", one), why(plan, "b", two))
	}
	s.want(true, s.ref("b").WithTag("1"))
	if plan := s.prune(s.options(1)); why(plan, "b", two) != "deleted: " {
		t.Error(why(plan, "b", two))
	}
}

type choice digest.Digest

func (c choice) Goes(_ string, d digest.Digest) bool { return digest.Digest(c) == d }
func (c choice) Notes() []string                     { return nil }

// TestReferrers deletes signatures with their image, also where a list of referrers leads to them,
// and nothing that somebody else has attached.
func TestReferrers(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{"with the API": registrytest.StartOlareg(t).Host, "without": registrytest.StartV3(t, false, "", "").Host} {
		s := newSite(t, host, 6)
		ours, both := s.image(), s.image()
		sig := func(of oci.Descriptor, text string) oci.Descriptor { return s.referrer(of, text) }
		a, b, theirs := sig(ours, "a"), sig(both, "b"), sig(both, "theirs")
		s.bring(1, from("app", ours, "1"), on(ours, from("app", a)), from("app", both, "2"), on(both, from("app", b)))
		s.list(ours, a)
		s.push("app", theirs, theirs.Digest.String())
		s.list(both, b, theirs)
		s.bring(2, from("other", s.image(), "1"))
		plan := s.prune(s.options(1))
		s.want(false, s.ref("app").WithDigest(ours.Digest), s.ref("app").WithDigest(a.Digest))
		s.want(true, s.ref("app").WithDigest(theirs.Digest), s.ref("app").WithDigest(b.Digest))
		tags, err := s.mirror().Tags(t.Context(), s.ref("app"))
		if err != nil || strings.Contains(strings.Join(tags, " "), ours.Digest.Encoded()) {
			t.Errorf("%s: tags %v are left, %v", name, tags, err)
		}
		if stays := s.has(s.ref("app").WithDigest(both.Digest)); stays != (name == "with the API") {
			t.Errorf("%s: an image to which somebody else has attached something is there: %v: %s", name, stays, why(plan, "app", both))
		}
	}
}

// TestRefused leaves what the registry does not delete; what belongs to it stays, and the
// receipts too where nothing could be deleted.
func TestRefused(t *testing.T) {
	t.Parallel()
	undeletable := newSite(t, registrytest.StartUndeletable(t).Host, 7)
	p := registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
	immutable := newSite(t, p.Host, 8)
	for _, s := range []*site{undeletable, immutable} {
		list, other := s.Index(false, s.image(), s.image()), s.image()
		s.bring(1, from("list", list, "1"), from("app", other, "1"))
		s.bring(2, from("other", s.image(), "1"))
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodDelete || !strings.HasSuffix(r.URL.Path, list.Digest.String()) {
				return false
			}
			w.WriteHeader(http.StatusPreconditionFailed)
			return true
		}
		plan, err := prune.Look(t.Context(), s.options(1))
		if err != nil {
			t.Fatal(err)
		}
		err = plan.Do(t.Context())
		refused, is := errors.AsType[*prune.RefusedError](err)
		k := s.keeper()
		h, herr := k.History(t.Context())
		if !is || herr != nil {
			t.Fatalf("%v, %v", err, herr)
		}
		if s == undeletable && (refused.Count != 2 || refused.Refusals[0].Why != string(transport.DeleteUnsupported) || refused.Hint() == "" || len(h.Done) != 2 || plan.Receipt != "") {
			t.Errorf("%v, %d receipts", err, len(h.Done))
		}
		if s == immutable && (refused.Count != 1 || refused.Refusals[0].Why != string(transport.DeleteProtected) || plan.Count(prune.Deleted) != 1 || plan.Count(prune.Stays) != 2 || plan.Receipt == "") {
			t.Errorf("%v, %+v", err, plan)
		}
		s.pulls("list", list)
		p.Answer = nil
		if s == immutable { // it is known still
			if plan := s.prune(s.options(1)); plan.Count(prune.Deleted) != 3 {
				t.Errorf("%+v", plan)
			}
		}
	}
}
