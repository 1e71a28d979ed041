package prune_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestElsewhere has receipts of other namespaces and limits, and under another name of the
// registry, protect what they name.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	host := registrytest.StartOlareg(t).Host
	other := strings.Replace(host, "127.0.0.1", "localhost", 1)
	for name, c := range map[string]struct{ own, theirs oci.Mirror }{
		"above, by another name":  {oci.Mirror{Host: host, Namespace: "a1/in"}, oci.Mirror{Host: other, Namespace: "a1"}},
		"the same, another limit": {oci.Mirror{Host: host, Namespace: "a2/b/c/d", MaxNestedPaths: 5}, oci.Mirror{Host: host, Namespace: "a2/b/c/d"}},
		"a deep one with a limit": {oci.Mirror{Host: host, Namespace: "a3/b/c"}, oci.Mirror{Host: host, Namespace: "a3/b/c/d", MaxNestedPaths: 5}},
		"below":                   {oci.Mirror{Host: host}, oci.Mirror{Host: host, Namespace: "a4/in"}},
		"below, by another name":  {oci.Mirror{Host: host, Namespace: "a5"}, oci.Mirror{Host: other, Namespace: "a5/in"}},
		"below, with a limit":     {oci.Mirror{Host: host, Namespace: "a6"}, oci.Mirror{Host: host, Namespace: "a6/x/in", MaxNestedPaths: 2}},
		"below, all in one":       {oci.Mirror{Host: host, MaxNestedPaths: 1}, oci.Mirror{Host: host, Namespace: "a7/in", MaxNestedPaths: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, host, uint64(len(name)))
			s.place = c.own
			both, alone := s.image(), s.image()
			name := "tool" // as the other place calls it
			if len(c.theirs.Namespace) < len(c.own.Namespace) {
				name = "in/tool"
			}
			repo := c.theirs.Repo(from(name, both)).Repository
			path := strings.TrimPrefix(repo, c.own.Namespace+"/")
			s.bring(1, from(path, both, "1"), from(path, alone, "2"))
			s.bring(2, from("other", s.image(), "3"))
			if got := c.own.Repo(from(path, both)).Repository; got != repo {
				t.Fatalf("%s is not %s", got, repo)
			}
			own := s.state
			s.state, s.place, s.host = t.TempDir(), c.theirs, c.theirs.Host
			s.bring(1001, from(name, both, "1"))
			s.state, s.place, s.host = own, c.own, host
			plan, err := prune.Look(t.Context(), s.options(1))
			if err != nil {
				t.Fatal(err)
			}
			own, s.state = s.state, t.TempDir()
			s.place, s.host = c.theirs, c.theirs.Host
			s.keep(&receipt.Receipt{State: receipt.Intent, Bundle: "begun", Mirror: s.place, Time: time.Now(), Packed: time.Now()})
			s.state, s.place, s.host = own, c.own, host
			var changed *prune.ChangedError
			if err := plan.Do(t.Context()); !errors.As(err, &changed) || changed.Deleted > 0 {
				t.Errorf("an unpack has begun there: %v", err)
			}
			plan = s.prune(s.options(1))
			if !s.has(oci.Ref{Registry: host, Repository: repo, Digest: both.Digest}) {
				t.Errorf("deleted what another receipt needs: %+v", plan.Manifests[0])
			}
			if s.has(oci.Ref{Registry: host, Repository: repo, Digest: alone.Digest}) {
				t.Error("what nobody needs is there")
			}
		})
	}
}

// TestElsewhereUnreadable stops where a receipt of another place cannot be read that may be of the
// same repositories; a place that may not be read, and one beside it, are none.
func TestElsewhereUnreadable(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	s := newSite(t, p.Host, 31)
	old := s.image()
	s.bring(1, from("team/app", old, "1"))
	s.bring(2, from("team/app", s.image(), "2"))
	s.pushTo("in/others/satchel/receipts", s.image(), "somebody")
	for _, place := range []string{"satchel/receipts", "in/team/satchel/receipts", "in/team/satchel-receipts"} {
		s.pushTo(place, s.image(), "somebody")
		var odd *prune.UnreadableError
		if _, err := prune.Look(t.Context(), s.options(1)); !errors.As(err, &odd) || !strings.Contains(err.Error(), place+":somebody") {
			t.Errorf("%s: %v", place, err)
		}
		d, err := s.mirror().TagDigest(t.Context(), oci.Ref{Registry: p.Host, Repository: place, Tag: "somebody"})
		if err == nil {
			err = s.mirror().Delete(t.Context(), oci.Ref{Registry: p.Host, Repository: place, Digest: d})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.pushTo("satchel/receipts", s.image(), "somebody")
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		forbidden := strings.HasPrefix(r.URL.Path, "/v2/satchel/receipts/")
		if forbidden {
			w.WriteHeader(http.StatusForbidden)
		}
		return forbidden
	}
	s.prune(s.options(1))
	s.want(false, s.ref("team/app").WithDigest(old.Digest))
}
