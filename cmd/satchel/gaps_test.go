package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// promptly are the flags that keep a run from waiting for a registry to come back.
var promptly = []string{"--retry-times", "0"}

var gapsFile = regexp.MustCompile(`, listed in (\S+)`)

// gaps wants a run that finished with gaps, and reads their list.
func (w *world) gaps(r result) gaps.List {
	w.t.Helper()
	m := gapsFile.FindStringSubmatch(r.stderr)
	if r.code != exitGaps || m == nil || len(strings.TrimSpace(r.stdout)) != 64 || !strings.Contains(r.stderr, "\nhint: carry them later with: satchel pack") {
		w.t.Fatalf("exit %d, want %d and a list\n%s%s", r.code, exitGaps, r.stdout, r.stderr)
	}
	name := m[1]
	if !filepath.IsAbs(name) {
		name = filepath.Join(w.dir, name)
	}
	body, err := os.ReadFile(name)
	var list gaps.List
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range list.Images {
		if list.Version != "gaps/1" || list.Bundle == "" || g.Reason() == "" || g.Image.Origin == "" {
			w.t.Errorf("gap list %s", body)
		}
	}
	return list
}

// gapSet is images with one fault each, and good ones that share layers with them.
type gapSet struct {
	c      *ocitest.Content
	source *registrytest.Proxy
	good   map[string]oci.Descriptor
	bad    map[string]oci.Descriptor // what they are once the source is fixed
	fixed  atomic.Bool
	broke  atomic.Bool // the large layer has been cut off
	k      *tap        // counts blob bytes of the source
}

func newGapSet(t testing.TB) *gapSet {
	t.Helper()
	reg := newSource(t)
	c := ocitest.New(81)
	layer := func(n int) oci.Descriptor { return c.Layer(n, ocitest.LayerGzip) }
	shared, large, wrong, gone := layer(300<<10), layer(12<<20), layer(200<<10), layer(100<<10)
	child := c.ImageFor("arm64", false, layer(1000))
	s := &gapSet{c: c, source: registrytest.StartProxy(t, reg), k: &tap{kind: "GET blob", rate: sourceRate}}
	s.good = map[string]oci.Descriptor{"good/one:v1": c.Image(false, shared, layer(150<<10)), "good/two:v1": c.Image(true, layer(7<<20), layer(90<<10))}
	s.bad = map[string]oci.Descriptor{
		"bad/unnamed:v1":  c.Image(false, layer(2000)),
		"bad/childless:1": c.Index(false, c.Image(false, shared, layer(500)), child),
		"bad/blobless:v1": c.Image(false, gone),
		"bad/refused:v1":  c.Image(false, shared, large),
		"bad/wrong:v1":    c.Image(false, shared, wrong),
	}
	for _, set := range []map[string]oci.Descriptor{s.good, s.bad} {
		for ref, root := range set {
			repo, tag, _ := strings.Cut(ref, ":")
			push(t, c, root, reg, repo, tag)
		}
	}
	signature := c.Artifact("application/vnd.example.cosign", layer(700))
	push(t, c, signature, reg, "bad/refused", "sha256-"+s.bad["bad/refused:v1"].Digest.Encoded()+".sig")
	s.bad["bad/refused:sha256-"+s.bad["bad/refused:v1"].Digest.Encoded()+".sig"] = signature

	s.k.through(s.source)
	count := s.source.Alter
	s.source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		s.k.request()
		path := r.URL.Path
		switch {
		case s.fixed.Load():
		case path == "/v2/bad/unnamed/manifests/v1", strings.HasSuffix(path, child.Digest.String()), strings.HasSuffix(path, gone.Digest.String()):
			http.NotFound(w, r)
			return true
		case strings.HasSuffix(path, large.Digest.String()) && r.Method == http.MethodGet && (r.Header.Get("Range") != "" || s.broke.Load()):
			w.WriteHeader(http.StatusForbidden) // in the middle: the connection broke before
			return true
		}
		return false
	}
	s.source.Alter = func(resp *http.Response) error {
		path := resp.Request.URL.Path
		if !s.fixed.Load() && registrytest.Kind(resp.Request) == "GET blob" {
			switch {
			case strings.HasSuffix(path, large.Digest.String()):
				resp.Body = &cut{resp.Body, 8 << 20, &s.broke}
			case strings.HasSuffix(path, wrong.Digest.String()):
				resp.Body = struct {
					io.Reader
					io.Closer
				}{flipFrom(190<<10)(0, resp.Body), resp.Body}
			}
		}
		return count(resp)
	}
	return s
}

// cut breaks a body after so many bytes.
type cut struct {
	io.ReadCloser
	left int64
	done *atomic.Bool
}

func (b *cut) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.done.Store(true)
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (s *gapSet) refs() (refs []string) {
	for _, set := range []map[string]oci.Descriptor{s.good, s.bad} {
		for ref := range set {
			if !strings.HasSuffix(ref, ".sig") {
				refs = append(refs, s.source.Host+"/"+ref)
			}
		}
	}
	return refs
}

// check wants exactly the bad images in the list.
func (s *gapSet) check(t testing.TB, list gaps.List) {
	t.Helper()
	why := map[string]string{"bad/unnamed:v1": "404", "bad/childless:1": "404", "bad/blobless:v1": "lacks this blob", "bad/refused:v1": "403", "bad/wrong:v1": "the bytes received"}
	if len(list.Images) != len(why) {
		t.Errorf("%d gaps, want %d: %+v", len(list.Images), len(why), list.Images)
	}
	for _, g := range list.Images {
		ref := g.Image.Source.Repository + ":" + g.Image.Source.Tag
		if text, ok := why[ref]; !ok || !strings.Contains(g.Reason(), text) {
			t.Errorf("gap %s: %s", ref, g.Reason())
		}
		if g.Image.Root.Digest != "" && g.Image.Root.Digest != s.bad[ref].Digest {
			t.Errorf("gap %s is pinned to %s", ref, g.Image.Root.Digest)
		}
	}
}

// TestKeepGoing finishes without five images that are not available, each for
// another reason, and brings them later.
func TestKeepGoing(t *testing.T) {
	for _, lanes := range []string{"1", "4"} {
		t.Run(lanes+" lanes", func(t *testing.T) {
			s := newGapSet(t)
			w := newWorld(t)
			w.images(s.refs()...)
			pack := w.pack("--keep-going", "--gaps", "gaps.json", "--segment-size", "2MiB", "--lanes", lanes)
			first := w.run(pack...)
			s.check(t, w.gaps(first))
			for ref := range s.bad {
				if !strings.HasSuffix(ref, ".sig") && !strings.Contains(first.stderr, "satchel: warning: gap: image "+s.source.Host+"/"+ref+": ") {
					t.Errorf("stderr does not name %s:\n%s", ref, first.stderr)
				}
			}
			w.run("verify", "--expect", strings.TrimSpace(first.stdout), w.drive).want(exitOK)
			if listed := w.run("inspect", "-i", w.key, w.drive).want(exitOK).stdout; strings.Count(listed, "NOT CARRIED: ") != 5 {
				t.Errorf("inspect does not list the gaps:\n%s", listed)
			}
			mirror := newMirror(t)
			w.run(w.unpack(mirror)...).want(exitOK).says("not in this bundle: " + s.source.Host + "/bad/wrong:v1")
			compareAll(t, s.c, s.good, mirror)

			// The finished bundle reports it again, and writes the list again.
			if err := os.Remove(filepath.Join(w.dir, "gaps.json")); err != nil {
				t.Fatal(err)
			}
			again := w.run(pack...).says("nothing has changed since")
			s.check(t, w.gaps(again))
			if again.stdout != first.stdout {
				t.Errorf("fingerprints %q and %q", first.stdout, again.stdout)
			}

			s.fixed.Store(true)
			w.drive += "-later"
			w.run(append(w.pack("--only", "gaps.json"), "--segment-size", "2MiB")...).want(exitOK)
			var rep inspect.Report
			if err := json.Unmarshal([]byte(w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK).stdout), &rep); err != nil {
				t.Fatal(err)
			}
			if len(rep.Images) != len(s.bad) {
				t.Errorf("the second bundle has %d images, want %d", len(rep.Images), len(s.bad))
			}
			w.run(w.unpack(mirror)...).want(exitOK)
			compareAll(t, s.c, s.bad, mirror)
			compareAll(t, s.c, s.good, mirror)
		})
	}
}

// TestKeepGoingAfterKills keeps what it found out before it was killed.
func TestKeepGoingAfterKills(t *testing.T) {
	s := newGapSet(t)
	w := newWorld(t)
	w.images(s.refs()...)
	pack := w.pack("--keep-going", "--segment-size", "2MiB", "--lanes", "2")
	for _, at := range []int64{3 << 20, 3 << 20, 2 << 20} {
		if r, ended := w.killed(s.k, at, 0, 0, pack...); ended {
			t.Fatalf("it ended before: %s", r.stderr)
		}
	}
	if !exists(filepath.Join(w.drive, "drive.json")) {
		t.Fatal("nothing was begun")
	}
	s.check(t, w.gaps(w.run(pack...)))
	w.run("verify", w.drive).want(exitOK)
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	compareAll(t, s.c, s.good, mirror)
}

// TestAwayIsNoGap has the source go away for good.
func TestAwayIsNoGap(t *testing.T) {
	t.Parallel()
	s := newGapSet(t)
	s.fixed.Store(true)
	var away atomic.Bool
	answer := s.source.Answer
	s.source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return answer(w, r)
	}
	alter := s.source.Alter
	s.source.Alter = func(resp *http.Response) error {
		resp.Body = &gone{resp.Body, &away}
		return alter(resp)
	}
	w := newWorld(t)
	w.images(s.refs()...)
	pack := w.pack(append([]string{"--keep-going", "--segment-size", "2MiB"}, promptly...)...)
	away.Store(true)
	w.run(pack...).want(exitRegistry).says("502")
	away.Store(false)
	s.k.at(6<<20, 0, func() { away.Store(true) })
	if r := w.run(pack...).want(exitRegistry); strings.Contains(r.stderr, "gap:") {
		t.Error(r.stderr)
	}
	away.Store(false)
	w.run(pack...).want(exitOK)
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	compareAll(t, s.c, s.bad, mirror)
}

// gone is a body that breaks off when its source goes away.
type gone struct {
	io.ReadCloser
	away *atomic.Bool
}

func (b *gone) Read(p []byte) (int, error) {
	if b.away.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return b.ReadCloser.Read(p)
}

// TestOnlyRefusals covers lists that cannot be used.
func TestOnlyRefusals(t *testing.T) {
	t.Parallel()
	s := newGapSet(t)
	w := newWorld(t)
	w.images(s.source.Host + "/good/one:v1")
	for text, want := range map[string]string{
		`{`: "read gap list", `{"satchel":"gaps/9","images":[{"source":"a.example/b:c"}]}`: "not a list of gaps", `{"satchel":"gaps/1","images":[]}`: "not a list of gaps",
		`{"satchel":"gaps/1","images":[{"origin":"additional","source":"a.example/b:c","error":"x"}]}`:                      "does not name",
		`{"satchel":"gaps/1","images":[{"origin":"additional","source":"a.example/b:c","subject":"sha256:x","error":"x"}]}`: "is not valid",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, "list.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.run(w.pack("--only", "list.json")...).want(exitUsage).says(want)
	}
	w.run(w.pack("--keep-going", "--gaps", "no/such/dir/gaps.json")...).want(exitUsage).says("--gaps")
}

// TestDamagedDriveMayBeLost: of a damaged drive, the hint says that the others can be read without it; not of the last one.
func TestDamagedDriveMayBeLost(t *testing.T) {
	t.Parallel()
	s := jobtest.NewDriveSet(t, 411)
	for n, want := range []bool{true, true, false} {
		err := mayBeLost(&bundle.DamageError{Dir: s.Dirs[n], Faults: []bundle.Fault{{File: "s-00-00001.age", What: "is missing"}}})
		if got := strings.Contains(strings.Join(hints(err), " "), "for lost"); got != want || !as[*bundle.DamageError](err) {
			t.Errorf("drive %d: %q", n+1, hints(err))
		}
	}
	if as[*damagedDriveError](mayBeLost(errors.New("x"))) {
		t.Error("what is no damage is taken for a lost drive")
	}
}
