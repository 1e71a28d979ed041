package prune_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// proxied is a site behind a proxy, which does something when prune asks for it.
func proxied(t *testing.T, seed uint64) (*site, *registrytest.Proxy) {
	p := registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
	return newSite(t, p.Host, seed), p
}

// planned looks at the mirror.
func (s *site) planned() *prune.Plan {
	s.t.Helper()
	plan, err := prune.Look(s.t.Context(), s.options(1))
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// TestUnbelieved: a receipt that nobody confirmed cannot have anything go, whatever it calls an
// image, and whatever tags it gives it.
func TestUnbelieved(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartV3(t, false, "", "").Host, 21)
	list, other := s.Index(false, s.image(), s.image()), s.image()
	parts, err := oci.ReadChildren(t.Context(), s.Content, list)
	if err != nil {
		t.Fatal(err)
	}
	s.bring(1, from("app", list, "1"), from("app", other, "2"))
	over := s.Index(true, parts[0], s.image())
	s.push("app", over, "over")
	s.push("app", other, "prod")
	s.bring(2, from("app", s.image(), "3"))
	own := s.state
	s.state = t.TempDir()
	s.keep(&receipt.Receipt{
		State: receipt.Done, Bundle: "forged", Mirror: s.place, Time: time.Now(), Packed: time.Now(), Repositories: []receipt.Repository{{Name: "in/app"}},
		Manifests: []receipt.Manifest{{Repo: "in/app", Digest: over.Digest, MediaType: oci.MediaTypeManifest, Size: over.Size, Mark: receipt.Pushed}},
		Images:    []receipt.Image{{Repo: "in/app", Digest: over.Digest, Origins: []oci.Origin{"additional"}, Tags: []receipt.Tag{{Name: "prod", Mark: receipt.Pushed}}}},
	})
	s.state = own
	s.prune(s.options(1))
	s.want(true, s.ref("app").WithDigest(parts[0].Digest), s.ref("app").WithTag("prod"), s.ref("app").WithTag("over"))
	s.want(false, s.ref("app").WithDigest(parts[1].Digest))
}

// TestHidden leaves a repository alone where the registry does not show all that it has.
func TestHidden(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"no list":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"part of a list": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"name":"in/app","tags":["1"]}`)) }, // the client has gone
	} {
		s, p := proxied(t, 22)
		shared := s.image()
		s.bring(1, from("app", shared, "1"))
		s.push("app", shared, "prod")
		s.bring(2, from("other", s.image(), "3"))
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/in/app/tags/list") {
				return false
			}
			answer(w)
			return true
		}
		if got := why(s.prune(s.options(1)), "app", shared); !strings.Contains(got, "cannot be judged") {
			t.Errorf("%s: %s", name, got)
		}
		s.want(true, s.ref("app").WithTag("prod"), s.ref("app").WithTag("1"))
	}
	s, p := proxied(t, 23)
	list := s.Index(false, s.image(), s.image())
	parts, err := oci.ReadChildren(t.Context(), s.Content, list)
	if err != nil {
		t.Fatal(err)
	}
	s.bring(1, from("app", list, "1"))
	over := s.Index(true, parts[0], s.image())
	s.push("app", over, "over")
	s.bring(2, from("other", s.image(), "3"))
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool { // it is there by its tag alone
		hidden := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, over.Digest.String())
		if hidden {
			w.WriteHeader(http.StatusNotFound)
		}
		return hidden
	}
	plan := s.prune(s.options(1))
	p.Answer = nil
	s.want(true, s.ref("app").WithDigest(parts[0].Digest), s.ref("app").WithTag("1"))
	if got := why(plan, "app", list); !strings.Contains(got, "does not give the manifest") {
		t.Error(got)
	}
}

// TestMoved sees tags that somebody moves while the repository is worked on: one that is to go
// stays, and an image that gets a tag back stays, too.
func TestMoved(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, 24)
	var all []oci.Descriptor
	for range 40 {
		all = append(all, s.image())
	}
	slices.SortFunc(all, func(a, b oci.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	last, shared, theirs, newer := all[39], s.image(), s.image(), s.image()
	first := []oci.Image{from("app", shared, "2"), from("app", last, "latest")}
	for _, root := range all[:39] {
		first = append(first, from("app", root))
	}
	s.bring(1, first...)
	s.push("app", shared, "prod")
	s.bring(2, from("app", newer, "latest"))
	s.bring(3, from("other", s.image(), "3"))
	var once atomic.Bool
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/in/app/manifests/") && once.CompareAndSwap(false, true) {
			s.push("app", theirs, "2")
			s.push("app", last, "latest")
		}
		return false
	}
	s.prune(s.options(1))
	for tag, want := range map[string]oci.Descriptor{"2": theirs, "latest": last, "prod": shared} {
		if d, err := s.mirror().TagDigest(t.Context(), s.ref("app").WithTag(tag)); err != nil || d != want.Digest {
			t.Errorf("%s names %q, %v", tag, d, err)
		}
	}
	s.want(false, s.ref("app").WithDigest(all[0].Digest), s.ref("app").WithDigest(newer.Digest))
}

// TestProbeStays: what a try to delete a tag leaves behind is no other run; a tag that the registry
// protects is counted, and ends with an error.
func TestProbeStays(t *testing.T) {
	t.Parallel()
	for _, protects := range []bool{false, true} { // everything, or one tag
		s, p := proxied(t, 25)
		shared, other := s.image(), s.image()
		s.bring(1, from("app", shared, "2"), from("list", other, "1"))
		s.push("app", shared, "prod")
		s.bring(2, from("app", s.image(), "3"))
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			no := r.Method == http.MethodDelete && (!protects || strings.HasSuffix(r.URL.Path, "/in/app/manifests/2"))
			switch {
			case no && protects:
				w.WriteHeader(http.StatusPreconditionFailed)
			case no:
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
			return no
		}
		err := s.planned().Do(t.Context())
		want := transport.DeleteUnsupported
		if protects {
			want = transport.DeleteProtected
		}
		if refused, is := errors.AsType[*prune.RefusedError](err); !is || refused.Count != 1 || refused.Refusals[0].Why != string(want) {
			t.Errorf("protects: %v: %v", protects, err)
		}
		s.want(!protects, s.ref("list").WithDigest(other.Digest))
		s.want(true, s.ref("app").WithTag("prod"), s.ref("app").WithTag("2"))
	}
}

// TestEndsEarly: what a run has deleted before it was ended is not satchel's any more when somebody
// else brings it again.
func TestEndsEarly(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, 26)
	images := []oci.Descriptor{s.image(), s.image(), s.image()}
	slices.SortFunc(images, func(a, b oci.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	s.bring(1, from("app", images[0], "1"), from("app", images[1], "2"), from("app", images[2], "3"))
	s.bring(2, from("other", s.image(), "2"))
	plan := s.planned()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var deletes atomic.Int64
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && deletes.Add(1) == 2 {
			cancel()
			return true
		}
		return false
	}
	if err := plan.Do(ctx); err == nil || plan.Count(prune.Deleted) != 1 {
		t.Fatalf("%v, %d deleted", err, plan.Count(prune.Deleted))
	}
	p.Answer = nil
	s.push("app", images[0], "1")
	s.prune(s.options(1))
	s.want(true, s.ref("app").WithTag("1"))
	s.want(false, s.ref("app").WithTag("2"), s.ref("app").WithTag("3"))
}

// TestReceiptsMeanwhile stops where this host gets a receipt before the question is answered, and
// where the mirror does not list its receipts any more.
func TestReceiptsMeanwhile(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, 27)
	old := s.image()
	s.bring(1, from("app", old, "1"))
	s.bring(2, from("app", s.image(), "2"))
	plan := s.planned()
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		hidden := strings.HasSuffix(r.URL.Path, "/satchel/receipts/tags/list")
		if hidden {
			w.WriteHeader(http.StatusNotFound)
		}
		return hidden
	}
	var changed *prune.ChangedError
	if err := plan.Do(t.Context()); !errors.As(err, &changed) {
		t.Errorf("without a list: %v", err)
	}
	p.Answer = nil
	plan = s.planned()
	k := s.keeper()
	one, err := k.Seal(t.Context(), &receipt.Receipt{State: receipt.Done, Bundle: "newest", Mirror: s.place, Time: time.Now(), Packed: time.Now()})
	if err == nil {
		err = k.ToHost(one)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Do(t.Context()); !errors.As(err, &changed) {
		t.Errorf("with a receipt of this host: %v", err)
	}
	s.want(true, s.ref("app").WithDigest(old.Digest))
}

// TestMarked says in the mirror that it is deleted from, until the end, and takes away what a run
// that was killed left of that.
func TestMarked(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, 28)
	s.bring(1, from("app", s.image(), "1"))
	s.bring(2, from("app", s.image(), "2"))
	k := s.keeper()
	if _, err := k.BeginPrune(t.Context()); err != nil {
		t.Fatal(err)
	}
	marks := func() (n int) {
		tags, err := s.mirror().Tags(t.Context(), receipt.RepoIn(s.place))
		if err != nil {
			t.Error(err)
		}
		for _, tag := range tags {
			if receipt.Pruning(tag) {
				n++
			}
		}
		return n
	}
	var during atomic.Int64
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/in/app/") {
			during.Store(int64(marks()))
		}
		return false
	}
	s.prune(s.options(1))
	if n := marks(); during.Load() != 2 || n != 0 {
		t.Errorf("%d while it deletes, %d at the end", during.Load(), n)
	}
}
