package pack_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// counted reads the ledger of the bench's stream.
func counted(t *testing.T, b *jobtest.Bench) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Read(b.Pack(prepare.Options{}, "").State, "set")
	if err != nil || l == nil {
		t.Fatalf("%+v, %v", l, err)
	}
	return l
}

// TestNumbers counts bundles when they are sealed: one that was begun earlier and finished
// later has the later number. The ledger has what each needs.
func TestNumbers(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 21)
	c := b.Content
	layer := c.Layer(1<<16, ocitest.LayerGzip)
	slow := jobtest.Images(b.Push(c.Image(true, layer), "team/slow", "v1"))
	quick := jobtest.Images(b.Push(c.Image(true, c.Layer(1<<10, ocitest.LayerGzip)), "team/quick", "v1"), b.Push(c.Kinds()["index"], "team/list", "v1"))
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		away := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, layer.Digest.String())
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return away
	}
	if _, err := pack.Run(t.Context(), b.Pack(b.Prepare(slow), "slow")); err == nil {
		t.Fatal("it was packed without its layer")
	}
	first, err := pack.Run(t.Context(), b.Pack(b.Prepare(quick), "quick"))
	if err != nil {
		t.Fatal(err)
	}
	b.Proxy.Answer = nil
	second, err := pack.Run(t.Context(), b.Pack(b.Prepare(slow), "slow"))
	if err != nil {
		t.Fatal(err)
	}
	l := counted(t, b)
	if first.Sequence != 1 || second.Sequence != 2 || first.Stream != l.Stream() || second.Stream != l.Stream() || l.Next != 3 || l.Config != "/etc/set.yaml" {
		t.Errorf("%+v, %+v, %+v", first, second, l)
	}
	for i, done := range []*pack.Result{first, second} {
		r := b.Open(done.Dir)
		entry := l.Bundles[i]
		if r.Stream() != l.Stream() || r.Sequence() != i+1 || entry.Bundle != done.Bundle || entry.Fingerprint != done.Fingerprint || !entry.Verified || entry.Dir != done.Dir {
			t.Errorf("bundle %d of %s: %+v", r.Sequence(), r.Stream(), entry)
		}
		content, err := ledger.At(b.Pack(prepare.Options{}, "").State, "set").Content(entry)
		if err != nil || len(content.Images) != len(r.Inventory().Images) {
			t.Fatalf("%+v, %v", content, err)
		}
		for _, list := range [][]ledger.Needed{content.Manifests, content.Blobs} {
			for _, n := range list {
				if !r.Has(n.Descriptor) || len(n.Images) == 0 {
					t.Errorf("%+v", n)
				}
			}
		}
		g, err := oci.ReadGraph(t.Context(), r.Inventory().Images, func(oci.Image) (oci.Source, error) { return r, nil }, 1)
		if err != nil || entry.Count.Manifests != len(g.Manifests) || entry.Count.Blobs != len(g.Blobs) {
			t.Errorf("%+v, %v", entry.Count, err)
		}
	}
}

// TestNumbersAtOnce packs two bundles of a stream at the same time.
func TestNumbersAtOnce(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 22)
	set := jobtest.Images(b.Push(b.Content.Image(true, b.Content.Layer(1<<16, ocitest.LayerGzip)), "team/app", "v1"))
	var wg sync.WaitGroup
	results := make([]*pack.Result, 2)
	for i, dir := range []string{"one", "two"} {
		o := b.Pack(b.Prepare(set), dir)
		wg.Go(func() {
			var err error
			if results[i], err = pack.Run(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !t.Failed() && (results[0].Sequence+results[1].Sequence != 3 || results[0].Stream != results[1].Stream) {
		t.Errorf("%+v, %+v", results[0], results[1])
	}
}

// TestNumberAfterACrash has the ledger, and the journal, lack what a kill after the seal kept
// from them: the next pack that finds the finished bundle adds it.
func TestNumberAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 23)
	first := w.packed()
	state := w.Pack(prepare.Options{}, "").State
	path := filepath.Join(state, "ledgers", "set", "ledger.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(state, "bundles", first.Bundle, "journal")
	noted, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	reserved := string(whole)
	for _, key := range []string{"sealed", "fingerprint", "verified"} { // each has a line
		at := strings.Index(reserved, `   "`+key+`"`)
		reserved = reserved[:at] + reserved[at+strings.Index(reserved[at:], "\n")+1:]
	}
	for name, c := range map[string]struct{ end, told string }{
		"before the ledger's record":  {`{"verified"`, "it is sealed, and was not read back yet"},
		"before the journal's record": {`{"sealed"`, "it is sealed, and was not read back yet"},
		"after all of the journal's":  {"", "nothing has changed since"},
	} {
		cut := string(noted)
		if c.end != "" {
			cut = cut[:strings.Index(cut, c.end)]
		}
		if err := errors.Join(os.WriteFile(path, []byte(reserved), 0o600), os.WriteFile(journal, []byte(cut), 0o600)); err != nil {
			t.Fatal(err)
		}
		before := w.said(c.told)
		if again := w.packed(); again.Fingerprint != first.Fingerprint || again.Sequence != 1 || again.Stream != first.Stream || w.said(c.told) != before+1 {
			t.Errorf("%s: %+v\n%s", name, again, w.Log)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l := counted(t, w.Bench)
		if entry := l.Bundles[0]; len(l.Bundles) != 1 || l.Next != 2 || entry.Fingerprint != first.Fingerprint || !entry.Verified || !strings.Contains(string(body), string(first.Fingerprint)) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// TestLedgerRefused stops before any request where the ledger cannot be written.
func TestLedgerRefused(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 26)
	state := w.Pack(prepare.Options{}, "").State
	if err := errors.Join(os.MkdirAll(state, 0o700), os.WriteFile(filepath.Join(state, "ledgers"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.Proxy.Reset()
	_, err := w.pack()
	var refused *bundle.StateError
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Path, state) || len(w.Proxy.Counts()) > 0 {
		t.Errorf("%v, %v", err, w.Proxy.Counts())
	}
	if _, err := os.Stat(w.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was left: %v", err)
	}
	if err := os.Remove(filepath.Join(state, "ledgers")); err != nil {
		t.Fatal(err)
	}
	if done := w.packed(); done.Sequence != 1 {
		t.Errorf("%+v", done)
	}
}

// TestNumberIsKept interrupts a pack after its number was reserved: the next run has it, with
// what is carried then.
func TestNumberIsKept(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 24)
	state := w.Pack(prepare.Options{}, "").State
	path := filepath.Join(state, "ledgers", "set", "ledger.json")
	ctx, cancel := context.WithCancel(t.Context())
	o := w.Pack(w.Prepare(w.set), "")
	o.Dir = w.dir
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if body, err := os.ReadFile(path); err == nil && strings.Contains(string(body), "reserved") {
				cancel()
			}
		}
	}()
	_, err := pack.Run(ctx, o)
	cancel()
	<-done
	if l := counted(t, w.Bench); len(l.Bundles) != 1 || l.Next != 2 {
		t.Fatalf("%+v, %v", l, err)
	}
	second := w.packed()
	l := counted(t, w.Bench)
	if second.Sequence != 1 || len(l.Bundles) != 1 || l.Bundles[0].Fingerprint != second.Fingerprint {
		t.Errorf("%+v, %+v", second, l)
	}
	r, err := bundle.Verify(t.Context(), []string{second.Dir}, bundle.VerifyOptions{})
	if err != nil || r.Sequence != 1 || r.Stream != l.Stream() {
		t.Errorf("%+v, %v", r, err)
	}
}
