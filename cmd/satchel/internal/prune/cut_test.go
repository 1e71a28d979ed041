package prune_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// many is a mirror where two bundles and other people have brought all sorts of things; the first
// bundle is kept no longer.
type many struct {
	*site
	stays, goes []oci.Ref
	pulled      map[string][]oci.Descriptor
}

func newMany(t *testing.T, host string, seed uint64) *many {
	s := newSite(t, host, seed)
	m := &many{site: s, pulled: map[string][]oci.Descriptor{}}
	list, both, tagged := s.Index(false, s.image(), s.image()), s.image(), s.image()
	sparse := s.Index(false, both, s.image())
	parts, err := oci.ReadChildren(t.Context(), s.Content, list)
	if err != nil {
		t.Fatal(err)
	}
	signed, kept := s.image(), s.image()
	sig := s.Artifact("text/spam", s.Blob([]byte("a signature"), "text/plain"))
	keptSig := s.Artifact("text/spam", s.Blob([]byte("another signature"), "text/plain"))
	sigTag, keptTag := "sha256-"+signed.Digest.Encoded()+".sig", "sha256-"+kept.Digest.Encoded()+".sig"
	s.bring(1, from("app", signed, "v"), on(signed, from("app", sig, sigTag)), from("app", kept, "k"), on(kept, from("app", keptSig, keptTag)),
		from("list", list, "1"), from("list", sparse, "2"), from("app", tagged, "3"))
	s.push("app", tagged, "prod")
	fresh := s.image()
	s.bring(2, from("app", kept, "k"), from("list", both, "4"), from("app", fresh, "v"))
	app, lists := s.ref("app"), s.ref("list")
	m.goes = []oci.Ref{app.WithDigest(signed.Digest), app.WithDigest(sig.Digest), app.WithTag(sigTag), lists.WithDigest(list.Digest), lists.WithDigest(parts[0].Digest), lists.WithDigest(sparse.Digest),
		app.WithTag("3"), app.WithTag(oci.DigestTag(tagged.Digest))}
	m.stays = []oci.Ref{app.WithTag("prod"), app.WithTag("k"), app.WithTag("v"), app.WithTag(keptTag), lists.WithTag("4"), lists.WithTag(oci.DigestTag(both.Digest))}
	m.pulled["app"], m.pulled["list"] = []oci.Descriptor{tagged, kept, fresh, keptSig}, []oci.Descriptor{both}
	return m
}

// check wants all that is in use to pull.
func (m *many) check() {
	m.t.Helper()
	m.want(true, m.stays...)
	for repo, list := range m.pulled {
		for _, root := range list {
			m.pulls(repo, root)
		}
	}
}

// TestCut ends a prune at requests that write (soaking, at each), before it reaches the registry
// and after: all that is in use stays, and the next run does the rest.
func TestCut(t *testing.T) {
	t.Parallel()
	v3 := registrytest.StartV3(t, false, "", "")
	p := registrytest.StartProxy(t, v3.Host)
	var writes, at atomic.Int64
	var after atomic.Bool
	var stop atomic.Pointer[context.CancelFunc]
	write := func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }
	p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if stop.Load() == nil || !write(r) || writes.Add(1) != at.Load() || after.Load() {
			return false
		}
		(*stop.Load())()
		return true
	}
	p.Alter = func(resp *http.Response) error {
		if stop.Load() != nil && write(resp.Request) && writes.Load() == at.Load() && after.Load() {
			(*stop.Load())()
			return errors.New("cut")
		}
		return nil
	}
	m := newMany(t, p.Host, 3)
	storage, state := t.TempDir(), t.TempDir()
	if err := errors.Join(os.CopyFS(storage, os.DirFS(v3.Dir)), os.CopyFS(state, os.DirFS(m.state))); err != nil {
		t.Fatal(err)
	}
	cuts, stride, ways := 0, int64(5), []bool{false}
	if os.Getenv("SATCHEL_SOAK") != "" {
		stride, ways = 1, []bool{false, true}
	}
	for n := int64(1); ; n += stride {
		for _, late := range ways {
			late = late || n%2 == 0
			if err := errors.Join(os.RemoveAll(v3.Dir+"/docker"), os.RemoveAll(m.state), os.CopyFS(v3.Dir, os.DirFS(storage)), os.CopyFS(m.state, os.DirFS(state))); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			writes.Store(0)
			at.Store(n)
			after.Store(late)
			stop.Store(&cancel)
			plan, err := prune.Look(ctx, m.options(1))
			if err == nil {
				err = plan.Do(ctx)
			}
			stop.Store(nil)
			cancel()
			if err == nil {
				if cuts < 3 {
					t.Errorf("it was done after %d cuts", cuts)
				}
				return
			}
			cuts++
			m.check()
			m.prune(m.options(1))
			m.check()
			m.want(false, m.goes...)
			if again, err := prune.Look(t.Context(), m.options(1)); err != nil || !again.Idle() && len(again.Manifests) > 1 {
				t.Errorf("cut at %d, after it: %v: %+v, %v", n, late, again, err)
			}
		}
	}
}
