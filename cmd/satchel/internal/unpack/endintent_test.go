package unpack_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestEndIntent ends what a killed run left open without the bundle: what it was about to push and
// is there is pushed; what is not there is not named. On a host that knows nothing of the run, and
// trusts nobody, it is found.
func TestEndIntent(t *testing.T) {
	t.Parallel()
	s := newSite(t, 971)
	o := s.options(t, "")
	o.Parallel, o.State = 1, t.TempDir()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	var intended atomic.Bool // the probe pushes before
	s.mirror.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "-intent-") {
			intended.Store(true)
		}
		if r.Method == http.MethodPut && intended.Load() && strings.Contains(r.URL.Path, "/in/team/list/manifests/") {
			kill()
		}
		return false
	}
	if err := unpack.Run(ctx, s.reader, jobtest.Client(), o); err == nil {
		t.Fatal("the run was not killed")
	}
	s.mirror.Answer = nil
	for _, name := range []string{"another host", "this host"} {
		state := o.State
		if name == "another host" {
			state = t.TempDir()
		}
		client := jobtest.Client()
		k := &receipt.Keeper{Mirror: transport.NewMirror(client, o.Site.Mirror, 2), Repo: receipt.RepoIn(o.Site.Mirror), Dir: receipt.HostDir(state, o.Site.Mirror)}
		h, err := k.History(t.Context())
		if err != nil || len(h.Open()) != 1 {
			t.Fatalf("%s: %+v, %v", name, h, err)
		}
		open := h.Open()[0]
		for _, id := range []string{s.reader.ID(), open.Digest.String(), open.Digest.Encoded()[:12], s.reader.ID() + "-intent-" + open.Digest.Encoded()[:12]} {
			if !open.IsNamed(id) {
				t.Errorf("%s: it is not named %s", name, id)
			}
		}
		if open.IsNamed("") || open.IsNamed(open.Digest.Encoded()[:5]) || open.IsNamed("aaaaaaaaaaaaaaaa") {
			t.Error("it has other names")
		}
		ended, err := k.EndOpen(t.Context(), client, h, h.Open())
		if err != nil {
			t.Fatal(err)
		}
		r := ended.Receipt
		if !slices.Equal(r.Closes, []digest.Digest{open.Digest}) || r.Bundle != s.reader.ID() || r.From != receipt.Rebuilt {
			t.Errorf("%s: %+v", name, r)
		}
		if ended.There == 0 || ended.There >= ended.Pushed || ended.There != len(r.Manifests) {
			t.Errorf("%s: %d of %d, and %d are listed", name, ended.There, ended.Pushed, len(r.Manifests))
		}
		for _, m := range r.Manifests {
			if there, err := k.Mirror.Has(t.Context(), oci.Ref{Registry: o.Site.Mirror.Host, Repository: m.Repo, Digest: m.Digest}); err != nil || !there {
				t.Errorf("%s: %s in %s is not there, %v", name, m.Digest, m.Repo, err)
			}
		}
		want := receipt.Mark(name == "this host")
		if n := marked(r); n[!want] != 0 || n[want] == 0 || len(r.Blobs) == 0 {
			t.Errorf("%s: marked %v", name, n)
		}
		if name == "another host" {
			continue // nothing is kept of it
		}
		one, err := k.Seal(t.Context(), r)
		if err == nil {
			err = k.ToHost(one)
		}
		if err == nil {
			err = k.ToMirror(t.Context(), h, one)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if h := receiptsOf(t, o, o.State, jobtest.Client()); len(h.Open()) != 0 || len(h.Done) != 1 {
		t.Errorf("%+v", h)
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	// Of blobs that no manifest in the mirror named, only the bundle has the digests.
	for _, m := range load(t, receiptsOf(t, o, o.State, jobtest.Client()).Of(s.reader.ID())[0]).Manifests {
		if m.Mark != receipt.Pushed {
			t.Errorf("unpacked afterwards: %s in %s is %s", m.Digest, m.Repo, m.Mark)
		}
	}
}
