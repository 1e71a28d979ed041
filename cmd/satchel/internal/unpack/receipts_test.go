package unpack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// receiptsOf reads what this host, if state is not "", and the mirror keep.
func receiptsOf(t *testing.T, o unpack.Options, state string, client *transport.Client) *receipt.History {
	t.Helper()
	k := &receipt.Keeper{Mirror: transport.NewMirror(client, o.Site.Mirror, 2), Repo: receipt.RepoIn(o.Site.Mirror)}
	if state != "" {
		k.Dir = receipt.HostDir(state, o.Site.Mirror)
	}
	h, err := k.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Odd) > 0 || h.Refused != nil || h.Host != nil {
		t.Errorf("%v, %v, %v", h.Odd, h.Refused, h.Host)
	}
	return h
}

func load(t *testing.T, one *receipt.Kept) *receipt.Receipt {
	t.Helper()
	r, err := one.Load()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// marked counts what a receipt marks, as "pushed" and "found".
func marked(r *receipt.Receipt) map[receipt.Mark]int {
	n := map[receipt.Mark]int{}
	for _, m := range r.Manifests {
		n[m.Mark]++
	}
	for _, b := range r.Blobs {
		for _, p := range b.In {
			n[p.Mark]++
		}
	}
	for _, img := range r.Images {
		for _, tag := range img.Tags {
			n[tag.Mark]++
		}
	}
	return n
}

// inReceipts counts the requests of a kind to the repository of receipts.
func inReceipts(p *registrytest.Proxy, kind string) (n int) {
	for _, r := range p.Requests() {
		if strings.HasPrefix(r, kind+" ") && strings.Contains(r, "/satchel/receipts/") {
			n++
		}
	}
	return n
}

// TestReceipts has the same receipt on the host, in OUTDIR and in the mirror; a second run has
// nothing to add.
func TestReceipts(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 61), filepath.Join(t.TempDir(), "out")
	o := s.options(t, out)
	o.State = t.TempDir()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	h := receiptsOf(t, o, "", jobtest.Client())
	if len(h.Done) != 1 || h.Done[0].Tag != s.reader.ID() || len(h.Intents) != 1 || len(h.Open()) != 0 {
		t.Fatalf("%+v", h)
	}
	r := load(t, h.Done[0])
	if n := marked(r); n[receipt.Found] != 0 || n[receipt.Pushed] < 10 || len(r.Images) != 2 {
		t.Errorf("marked: %v of %+v", n, r)
	}
	if r.Fingerprint != string(s.reader.Fingerprint()) || r.Mirror.String() != o.Site.Mirror.String() || !r.Packed.Equal(s.reader.Created()) {
		t.Errorf("head: %+v", h.Done[0].Head)
	}
	for repo, root := range s.roots {
		f := receipt.Merge(r)
		if in := f.Manifest(root.Digest); len(in) != 1 || in[0].Repo != "in/"+repo {
			t.Errorf("%s is in %v", repo, in)
		}
		if tag, ok := f.Tag("in/"+repo, "v1"); !ok || tag.Digest != root.Digest || tag.Mark != receipt.Pushed {
			t.Errorf("%s:v1 is %+v", repo, tag)
		}
	}
	body, err := h.Done[0].Body()
	if err != nil {
		t.Fatal(err)
	}
	inOut, err := os.ReadFile(filepath.Join(out, "receipt.json"))
	info, serr := os.Stat(filepath.Join(out, "receipt.json"))
	if err := errors.Join(err, serr); err != nil || !bytes.Equal(inOut, body) || info.Mode().Perm() != 0o600 {
		t.Errorf("OUTDIR has another receipt: %v", err)
	}
	own, err := filepath.Glob(filepath.Join(receipt.HostDir(o.State, o.Site.Mirror), "receipts", "*.json"))
	if err != nil || len(own) != 1 {
		t.Fatalf("this host has %v, %v", own, err)
	}
	if onHost, err := os.ReadFile(own[0]); err != nil || !bytes.Equal(onHost, body) {
		t.Errorf("this host has another receipt: %v", err)
	}

	for name, state := range map[string]string{"the same host": o.State, "another host": t.TempDir(), "no state": ""} {
		s.mirror.Reset()
		o := s.options(t, out)
		o.State = state
		if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
		if n := inReceipts(s.mirror, "PUT"); n != 0 {
			t.Errorf("%s: %d writes where nothing was new", name, n)
		}
		if again, err := os.ReadFile(filepath.Join(out, "receipt.json")); err != nil || !bytes.Equal(again, body) {
			t.Errorf("%s: the receipt has changed: %v", name, err)
		}
	}
}

// TestFound marks as found what others have pushed, tags too.
func TestFound(t *testing.T) {
	t.Parallel()
	s := newSite(t, 62)
	o := s.options(t, "")
	theirs := s.roots["team/list"]
	parts, err := oci.ReadChildren(t.Context(), s.Content, theirs)
	if err == nil {
		err = ocitest.Push(t.Context(), s.Content, theirs, "http://"+s.mirror.Host, "in/team/list", "theirs")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	r := load(t, receiptsOf(t, o, "", jobtest.Client()).Done[0])
	for _, m := range r.Manifests {
		if want := receipt.Mark(m.Repo != "in/team/list"); m.Mark != want {
			t.Errorf("%s in %s: %v", m.Digest, m.Repo, m.Mark)
		}
	}
	for _, b := range r.Blobs {
		for _, p := range b.In {
			if want := receipt.Mark(p.Repo != "in/team/list"); p.Mark != want {
				t.Errorf("blob %s in %s: %v", b.Short, p.Repo, p.Mark)
			}
		}
	}
	if len(parts) == 0 {
		t.Error("nothing was looked at")
	}
	for _, img := range r.Images { // the tag is new
		for _, tag := range img.Tags {
			if tag.Mark != receipt.Pushed {
				t.Errorf("tag %s of %s: %v", tag.Name, img.Repo, tag.Mark)
			}
		}
	}
}

// TestKilledAnywhere stops a run at requests before, at and after each that writes a receipt;
// what it had pushed counts as pushed, on the same host and on another one.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, 63)
	o := s.options(t, "")
	o.Parallel = 1
	s.mirror.Reset()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	stops := map[int]bool{}
	all := s.mirror.Requests()
	for i, r := range all {
		if strings.Contains(r, "/satchel/receipts/") && !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "DELETE ") || i%40 == 0 {
			stops[i] = true
		}
	}
	for stop := range stops {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			t.Parallel()
			p := registrytest.StartProxy(t, s.mirror.Host)
			o := s.options(t, "")
			o.Parallel, o.State = 1, t.TempDir()
			o.Site.Mirror = oci.Mirror{Host: p.Host, Namespace: fmt.Sprintf("in%d", stop)} // nobody has written there
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			var n atomic.Int32
			p.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
				if int(n.Add(1)) == stop+1 {
					kill()
				}
				return false
			}
			if err := unpack.Run(ctx, s.reader, jobtest.Client(), o); err == nil && stop < len(all)-5 {
				t.Fatalf("it ended, of %d requests", len(all))
			}
			if stop%2 == 0 {
				o.State = "" // of another host
			}
			if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
				t.Fatal(err)
			}
			h := receiptsOf(t, o, "", jobtest.Client())
			if len(h.Done) == 0 || len(h.Open()) != 0 {
				t.Fatalf("%d receipts, %d open intents", len(h.Done), len(h.Open()))
			}
			if n := marked(load(t, h.Done[0])); n[receipt.Found] != 0 {
				t.Errorf("marked %v", n)
			}
		})
	}
}

// TestReceiptRefused has the mirror refuse its receipt: before anything is pushed, and at the end.
func TestReceiptRefused(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 64), filepath.Join(t.TempDir(), "out")
	o := s.options(t, out)
	o.State = t.TempDir()
	refuse := func(what string) {
		s.mirror.Reset()
		s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet || !strings.Contains(r.URL.Path, what) {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		}
	}
	var refused *receipt.MirrorError
	refuse("/satchel/receipts/")
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &refused) || refused.Done || refused.Hint() == "" || s.mirror.SentBytes() > 4000 {
		t.Errorf("before: %v, %d bytes sent", err, s.mirror.SentBytes())
	}
	refuse("/satchel/receipts/manifests/" + s.reader.ID() + "-intent")
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &refused) || refused.Done || s.mirror.SentBytes() > 8000 {
		t.Errorf("the intent: %v, %d bytes sent", err, s.mirror.SentBytes())
	}
	s.mirror.Reset()
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/satchel/receipts/manifests/"+s.reader.ID()) {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); !errors.As(err, &refused) || !refused.Done {
		t.Errorf("at the end: %v", err)
	}
	if h := receiptsOf(t, o, o.State, jobtest.Client()); len(h.Done) != 1 || h.Done[0].Tag != "" || len(h.Open()) != 0 {
		t.Errorf("this host: %+v", h)
	}
	for _, name := range []string{"APPLY.md", "receipt.json"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	s.mirror.Answer = nil
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), s.options(t, out)); err != nil { // as another host
		t.Fatal(err)
	}
	h := receiptsOf(t, o, "", jobtest.Client())
	if len(h.Done) != 1 || h.Done[0].Tag != s.reader.ID() || len(h.Open()) != 0 || marked(load(t, h.Done[0]))[receipt.Found] != 0 {
		t.Errorf("afterwards: %+v", h)
	}
}

// TestNoMirrorReceipt keeps receipts on the host alone, which a later run gives to the mirror.
func TestNoMirrorReceipt(t *testing.T) {
	t.Parallel()
	s := newSite(t, 65)
	o := s.options(t, "")
	o.State, o.Receipts.NotInMirror = t.TempDir(), true
	s.mirror.Reset()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.mirror.Requests() {
		if strings.Contains(r, "satchel/receipts") {
			t.Errorf("%s", r)
		}
	}
	if h := receiptsOf(t, o, o.State, jobtest.Client()); len(h.Done) != 1 || len(h.Open()) != 0 || marked(load(t, h.Done[0]))[receipt.Found] != 0 {
		t.Errorf("%+v", h)
	}
	o.Receipts.NotInMirror = false
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	if h := receiptsOf(t, o, "", jobtest.Client()); len(h.Done) != 1 || marked(load(t, h.Done[0]))[receipt.Found] != 0 {
		t.Errorf("the mirror: %+v", h)
	}
}

// TestImmutableReceipts: no tag of a receipt ever moves, though facts change.
func TestImmutableReceipts(t *testing.T) {
	t.Parallel()
	s := newSite(t, 66)
	o := s.options(t, "")
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/satchel/receipts/manifests/") || strings.HasSuffix(r.URL.Path, transport.ProbeTag) {
			return false
		}
		resp, err := http.Get("http://" + s.mirror.Host + r.URL.Path)
		if err != nil {
			return false
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return false
		}
		w.WriteHeader(http.StatusConflict)
		return true
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+s.mirror.Host+"/v2/in/team/list/manifests/"+s.roots["team/list"].Digest.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	h := receiptsOf(t, o, "", jobtest.Client())
	if len(h.Done) != 2 || h.Done[0].Tag != s.reader.ID()+".2" || h.Done[1].Tag != s.reader.ID() || len(h.Open()) != 0 {
		t.Errorf("%+v", h)
	}
	if n := marked(load(t, h.Done[0])); n[receipt.Found] != 0 {
		t.Errorf("marked: %v", n)
	}
}

// TestSignedReceipts: who signs reads only what is signed; a second signer is added.
func TestSignedReceipts(t *testing.T) {
	t.Parallel()
	s, out := newSite(t, 67), filepath.Join(t.TempDir(), "out")
	var keys []*bundle.Signer
	var allowed strings.Builder
	for i := range 2 {
		file := filepath.Join(t.TempDir(), "key")
		if text, err := proctest.Command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Skipf("ssh-keygen: %v %s", err, text)
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
		fmt.Fprintf(&allowed, "person%d namespaces=\"satchel-receipt\" %s", i, public)
	}
	list := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(list, []byte(allowed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := bundle.LoadTrust([]string{list}, 1)
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	for n := 1; n <= 2; n++ {
		o := s.options(t, out)
		o.State, o.Receipts.Signers = state, keys[:n]
		if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
		k := &receipt.Keeper{Mirror: transport.NewMirror(jobtest.Client(), o.Site.Mirror, 2), Repo: receipt.RepoIn(o.Site.Mirror), Trust: trust}
		h, err := k.History(t.Context())
		if err != nil || len(h.Done) != 1 || len(h.Odd) > 0 || len(h.Done[0].Signed) != n || len(h.Intents) != 1 {
			t.Fatalf("%d signers: %+v, %v", n, h, err)
		}
	}
	cmd := proctest.Command(t, "ssh-keygen", "-Y", "verify", "-f", list, "-I", "person1", "-n", "satchel-receipt", "-s", filepath.Join(out, "receipt.json.2.sig"))
	if cmd.Stdin, err = os.Open(filepath.Join(out, "receipt.json")); err != nil {
		t.Fatal(err)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen: %v %s", err, text)
	}
	other := s.options(t, "")
	other.Site.Mirror.Namespace = "other" // nobody has signed there
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), other); err != nil {
		t.Fatal(err)
	}
	k := &receipt.Keeper{Mirror: transport.NewMirror(jobtest.Client(), other.Site.Mirror, 2), Repo: receipt.RepoIn(other.Site.Mirror), Trust: trust}
	var untrusted *bundle.TrustError
	if h, err := k.History(t.Context()); err != nil || len(h.Done) != 0 || len(h.Odd) != 2 || !errors.As(h.Odd[0], &untrusted) {
		t.Errorf("not signed: %+v, %v", h, err)
	}
}

// TestReceiptsNotListed has a mirror that refuses to list tags, or lists them late: no receipt is
// overwritten.
func TestReceiptsNotListed(t *testing.T) {
	t.Parallel()
	s := newSite(t, 68)
	o := s.options(t, "")
	for status, body := range map[int]string{http.StatusForbidden: "", http.StatusOK: `{"tags":[]}`, http.StatusNotFound: "", http.StatusAccepted: "<html>"} {
		s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/satchel/receipts/tags/list") {
				return false
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // the client may go away
			return true
		}
		if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
	}
	s.mirror.Answer = nil
	h := receiptsOf(t, o, "", jobtest.Client())
	if len(h.Done) != 4 || h.Done[0].Tag != s.reader.ID()+".4" {
		t.Errorf("%d receipts", len(h.Done))
	}
	if n := marked(load(t, h.Done[3])); n[receipt.Found] != 0 {
		t.Errorf("the first: %v", n)
	}
}
