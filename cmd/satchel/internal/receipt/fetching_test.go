package receipt

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// hostile is a mirror with some receipts, small ones, of bundles of their own.
func hostile(t *testing.T, n int) (*registrytest.Proxy, *Keeper) {
	t.Helper()
	p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	m := oci.Mirror{Host: p.Host, Namespace: "in"}
	client := transport.NewClient(transport.Config{})
	t.Cleanup(func() { client.Close() })
	k := &Keeper{Mirror: transport.NewMirror(client, m, 2), Repo: RepoIn(m)}
	for i := range n {
		one, err := k.Seal(t.Context(), &Receipt{State: Done, Bundle: fmt.Sprintf("bundle%d", i), Mirror: m, Time: time.Unix(1e9, 0)})
		if err == nil {
			err = k.Mirror.PutArtifact(t.Context(), k.Repo.WithTag(one.Head.Bundle), artifact(one.body, nil))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p, k
}

// TestBounds: however many receipts a mirror has, and however large they are, so much is read of
// them, and the rest is reported; what this host has read before comes first.
func TestBounds(t *testing.T) {
	t.Parallel()
	_, k := hostile(t, 6)
	k.Dir = t.TempDir()
	last := k.Repo.WithTag("bundle5")
	a, err := k.Mirror.Artifact(t.Context(), last, MaxSize, nil)
	if err == nil {
		err = writeKept(k.copyOf("bundle5"), a.File(File), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		most bounds
		left int
	}{
		"tags":  {bounds{tags: 2, fetched: 1 << 20}, 4},
		"bytes": {bounds{tags: 100, fetched: 1}, 4}, // some are fetched at the same time
		"all":   {bounds{tags: 6, fetched: 1 << 20}, 0},
	} {
		k := *k
		k.most, k.Look = c.most, true
		h, err := k.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var unread *UnreadError
		is := len(h.Odd) == 1 && errors.As(h.Odd[0], &unread) && unread.Hint() != ""
		if is != (c.left > 0) || is && (unread.Left > c.left || unread.Left+len(h.Done) != 6) || len(h.Of("bundle5")) != 1 {
			t.Errorf("%s: %d are read, %v", name, len(h.Done), h.Odd)
		}
	}
}

// TestHeld: where no file has them, only so many bytes stay in memory; the rest is fetched when it
// is asked for, and must be what it was.
func TestHeld(t *testing.T) {
	t.Parallel()
	p, k := hostile(t, 3)
	k.most = bounds{tags: 100, fetched: 1 << 20, held: 1}
	h, err := k.History(t.Context())
	if err != nil || len(h.Done) != 3 {
		t.Fatalf("%+v, %v", h, err)
	}
	for _, one := range h.Done {
		if one.body != nil {
			t.Error("its bytes are in memory")
		}
		if r, err := one.Load(); err != nil || r.Bundle != one.Head.Bundle {
			t.Errorf("%v, %v", r, err)
		}
	}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool { // each tag leads to another one now
		if strings.Contains(r.URL.Path, "/manifests/bundle") && !strings.HasSuffix(r.URL.Path, "bundle0") {
			http.Redirect(w, r, strings.TrimRight(r.URL.Path, "0123456789")+"0", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	if _, err := h.Of("bundle1")[0].Load(); err == nil {
		t.Error("another receipt was taken for it")
	}
}

// TestFree: a mirror that has something under every tag does not make a run endless.
func TestFree(t *testing.T) {
	t.Parallel()
	p, k := hostile(t, 1)
	h, err := k.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Reset()
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/bundle0") && !strings.HasSuffix(r.URL.Path, "/bundle0") {
			http.Redirect(w, r, "/v2/in/satchel/receipts/manifests/bundle0", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	one, err := k.Seal(t.Context(), &Receipt{State: Done, Bundle: "bundle0", Mirror: h.Done[0].Head.Mirror, Time: time.Unix(2e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	var refused *MirrorError
	if err := k.ToMirror(t.Context(), h, one); !errors.As(err, &refused) || !refused.Done || len(p.Requests()) > 10*mostTried {
		t.Errorf("%v after %d requests", err, len(p.Requests()))
	}
}

// TestReadOnlyMirror: a registry that takes no push at all gets no advice to push once more.
func TestReadOnlyMirror(t *testing.T) {
	t.Parallel()
	p, k := hostile(t, 1)
	h, err := k.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]string{http.StatusMethodNotAllowed: "only read", http.StatusForbidden: "again"} {
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				w.WriteHeader(status)
				return true
			}
			return false
		}
		one, err := k.Seal(t.Context(), &Receipt{State: Done, Bundle: "bundle9", Mirror: h.Done[0].Head.Mirror, Time: time.Unix(2e9, 0)})
		if err != nil {
			t.Fatal(err)
		}
		var refused *MirrorError
		if err := k.ToMirror(t.Context(), h, one); !errors.As(err, &refused) || !refused.Done || !strings.Contains(refused.Hint(), want) || strings.Contains(refused.Hint(), "again") != (want == "again") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestSweep: copies of what the mirror has no longer go, but not by a run that only looks.
func TestSweep(t *testing.T) {
	t.Parallel()
	_, k := hostile(t, 1)
	k.Dir = t.TempDir()
	gone := k.copyOf("bundle7")
	if err := writeKept(gone, []byte("x"), [][]byte{[]byte("y"), []byte("z")}); err != nil {
		t.Fatal(err)
	}
	for _, look := range []bool{true, false} {
		k.Look = look
		if _, err := k.History(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(gone); (err == nil) != look {
			t.Errorf("look %v: %v", look, err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(k.copies(), "*")); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	deep := *k
	deep.Repo = RepoIn(oci.Mirror{Host: k.Repo.Registry, Namespace: "in", MaxNestedPaths: 2})
	if deep.copies() == k.copies() || filepath.Base(k.copies()) != fetched {
		t.Errorf("%s and %s", deep.copies(), k.copies())
	}
}

// TestMostClosed: strangers' intents do not make a receipt that cannot be written; what counts is
// taken first.
func TestMostClosed(t *testing.T) {
	t.Parallel()
	m := oci.Mirror{Host: "mirror.example"}
	r := &Receipt{State: Done, Bundle: "bundle0", Mirror: m, Time: time.Unix(1e9, 0)}
	h := &History{}
	gone := map[digest.Digest]bool{}
	for i := range MaxCloses + 10 {
		one := &Kept{Digest: oci.Digest(fmt.Append(nil, i)), Own: i == MaxCloses+5}
		one.Head.State, one.Head.Bundle, one.Head.Mirror = Intent, "bundle0", m
		h.Intents = append(h.Intents, one)
		gone[one.Digest] = true
	}
	other := &Kept{Digest: oci.Digest([]byte("deep"))}
	other.Head.State, other.Head.Bundle, other.Head.Mirror = Intent, "bundle0", oci.Mirror{Host: "mirror.example", MaxNestedPaths: 2}
	h.Intents = append(h.Intents, other)
	list := h.Closable(r)
	if len(list) != MaxCloses || !list[0].Own {
		t.Fatalf("%d, the first own: %v", len(list), list[0].Own)
	}
	for _, one := range list {
		if one == other {
			t.Error("an intent of another layout ends")
		}
		r.Closes = append(r.Closes, one.Digest)
	}
	if r.Sort(); len(r.Closes) != MaxCloses {
		t.Error(len(r.Closes))
	}
	if _, err := r.Encode(); err != nil {
		t.Error(err)
	}
	done := &Kept{Digest: oci.Digest([]byte("done"))}
	h.Done, gone[done.Digest] = []*Kept{done}, true
	if list := h.bounded(gone); len(list) != maxReplaces || gone[done.Digest] {
		t.Errorf("%d are replaced", len(list))
	}
}
