package receipt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// maker makes facts of random digests, always the same.
type maker struct{ *rand.Rand }

func (m maker) digest() digest.Digest {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return digest.NewDigestFromBytes(digest.SHA256, b)
}

// marks gives everything the same mark, but for what it lacks.
type marks struct {
	mark  receipt.Mark
	lacks map[digest.Digest]bool
}

func (m marks) Manifest(_ string, d digest.Digest) (receipt.Mark, bool) { return m.mark, !m.lacks[d] }
func (m marks) Blob(_ string, d oci.Descriptor) (receipt.Mark, bool) {
	return m.mark, !m.lacks[d.Digest]
}
func (m marks) Tag(_, tag string) (receipt.Mark, bool) { return m.mark, tag != "absent" }

// graph makes images of so many platforms and layers each, in repositories of their own.
func (m maker) graph(images, platforms, layers int) *oci.Graph {
	g := &oci.Graph{}
	for i := range images {
		kind := oci.MediaTypeIndex
		if platforms == 1 {
			kind = oci.MediaTypeManifest
		}
		root := oci.Descriptor{MediaType: kind, Digest: m.digest(), Size: 1500}
		source := oci.Ref{Registry: "registry.redhat.io", Repository: fmt.Sprintf("openshift4/ose-operator-%03d-rhel9", i), Digest: root.Digest}
		g.Images = append(g.Images, oci.Image{Origin: "operator", Source: source, Root: root})
		add := func(list *[]oci.Node, d oci.Descriptor) {
			*list = append(*list, oci.Node{Descriptor: d, Images: []int{i}})
		}
		for range platforms {
			if platforms > 1 {
				add(&g.Manifests, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: m.digest(), Size: 1700})
			}
			for range layers {
				add(&g.Blobs, oci.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: m.digest(), Size: m.Int64N(200 << 20)})
			}
		}
		add(&g.Manifests, root)
	}
	return g
}

func head() *receipt.Receipt {
	return &receipt.Receipt{
		State: receipt.Done, Bundle: "abcdefghijklmnop", Fingerprint: strings.Repeat("0f", 32),
		Stream: receipt.Stream{Ledger: strings.Repeat("a1", 16), Name: "weekly"}, Sequence: 7,
		Packed: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Time: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
		Mirror: oci.Mirror{Host: "registry.example:5000", Namespace: "ocp/mirror"},
	}
}

func encoded(t testing.TB, r *receipt.Receipt) []byte {
	t.Helper()
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// some is a receipt with one of everything.
func some(t testing.TB) *receipt.Receipt {
	t.Helper()
	m := maker{rand.New(rand.NewPCG(1, 2))}
	g := m.graph(3, 2, 2)
	shared := oci.Node{Descriptor: oci.Descriptor{MediaType: "application/vnd.oci.image.config.v1+json", Digest: m.digest(), Size: 1 << 40}, Images: []int{0, 2}}
	g.Blobs = append(g.Blobs, shared)
	signature := oci.Image{Origin: "operator", Source: g.Images[0].Source, Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: m.digest(), Size: 9}, Subject: g.Images[0].Root.Digest}
	signature.Source.Digest = signature.Root.Digest
	other := oci.Image{Origin: "additional", Source: oci.Ref{Registry: "quay.io", Repository: "a/b", Tag: "v1"}, Path: "c/d/e", Tags: []string{"v1", "absent", "latest"},
		Root: oci.Descriptor{MediaType: oci.MediaTypeDockerManifest, Digest: m.digest(), Size: 8}}
	alone := signature
	alone.Root.Digest, alone.Source.Digest, alone.Subject = m.digest(), "", m.digest()
	alone.Source.Tag, alone.Tags = "sha256-x.sig", []string{"sha256-x.sig"}
	again := other
	again.Origin, again.Source.Registry = "pod", "docker.io"
	for _, img := range []oci.Image{signature, other, alone, again} {
		g.Images = append(g.Images, img)
		if img.Origin != "pod" {
			g.Manifests = append(g.Manifests, oci.Node{Descriptor: img.Root, Images: []int{len(g.Images) - 1}})
		}
	}
	r := head()
	r.Mirror.MaxNestedPaths = 4
	r.Closes = []digest.Digest{m.digest(), m.digest()}
	r.Claims = []digest.Digest{m.digest()}
	r.Fill(g, marks{mark: receipt.Pushed})
	r.Images[1].Tags[0].Mark = receipt.Found
	r.Blobs[3].In = []receipt.Place{{Repo: r.Blobs[3].In[0].Repo, Mark: receipt.Found}}
	r.Sort()
	return r
}

// TestRoundTrip reads what was written; the bytes depend on the facts alone.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	r := some(t)
	r.Partial, r.Supplement = true, receipt.Supplement{Bundle: "qrstuvwxyz234567", Fingerprint: strings.Repeat("0e", 32)}
	body := encoded(t, r)
	got, err := receipt.Decode(body)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("read\n%+v\nof\n%+v", got, r)
	}
	shuffled := *r
	shuffled.Manifests = slices.Clone(r.Manifests)
	slices.Reverse(shuffled.Manifests)
	if _, err := shuffled.Encode(); err == nil {
		t.Error("a receipt that is not sorted was written")
	}
	shuffled.Sort()
	if again := encoded(t, &shuffled); !bytes.Equal(again, body) {
		t.Error("the same facts in another order gave other bytes")
	}
	if len(r.Images) != 6 || len(r.Repositories) != 4 {
		t.Errorf("%d images in %d repositories", len(r.Images), len(r.Repositories))
	}
	if jq, err := exec.LookPath("jq"); err == nil {
		cmd := proctest.Command(t, jq, "-r", ".repositories[][0]")
		cmd.Stdin = bytes.NewReader(body)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "openshift4/ose-operator-000-rhel9\n") {
			t.Errorf("jq: %v\n%s", err, out)
		}
	}
}

// TestLayoutOfOc: a mirror with one repository of releases is the same when it is read again.
func TestLayoutOfOc(t *testing.T) {
	t.Parallel()
	for _, releases := range []string{"", "elsewhere/releases"} {
		r := head()
		var err error
		if r.Mirror, err = (manifests.Layout{Tool: manifests.LayoutOc, Releases: releases}).On(r.Mirror, false); err != nil {
			t.Fatal(err)
		}
		m := maker{rand.New(rand.NewPCG(7, 8))}
		g := m.graph(2, 1, 1)
		g.Images[0].Path = r.Mirror.Shared.Paths[1]
		r.Fill(g, marks{mark: receipt.Pushed})
		body := encoded(t, r)
		got, err := receipt.Decode(body)
		if err != nil || got.Mirror != r.Mirror || !reflect.DeepEqual(got, r) {
			t.Errorf("%q: read %+v, %v", releases, got, err)
			continue
		}
		if repo := got.Mirror.Repo(oci.Image{Path: r.Mirror.Shared.Paths[0]}).Repository; repo != r.Mirror.Shared.Repository || !slices.ContainsFunc(got.Images, func(i receipt.Image) bool { return i.Repo == repo }) {
			t.Errorf("releases are in %q: %s", repo, body)
		}
	}
	if bytes.Contains(encoded(t, head()), []byte("releases")) {
		t.Error("another layout names a repository of releases")
	}
	for _, shared := range []oci.Shared{{Repository: "A b"}, {Paths: [2]string{"a", "b"}}, {Repository: "a", Paths: [2]string{"a", "b"}}} {
		r := head()
		r.Mirror.Shared = shared
		if _, err := r.Encode(); err == nil {
			t.Errorf("%+v was written", shared)
		}
	}
}

// TestSize: at most 40 bytes a blob and 200 an image, whatever the shape of the images.
func TestSize(t *testing.T) {
	t.Parallel()
	for _, shape := range [][3]int{{1, 1, 2}, {50, 1, 2}, {1000, 1, 7}, {300, 2, 3}, {300, 4, 4}, {200, 4, 9}} {
		g := maker{rand.New(rand.NewPCG(3, 4))}.graph(shape[0], shape[1], shape[2])
		r := head()
		r.Fill(g, marks{mark: receipt.Pushed})
		body := encoded(t, r)
		if !json.Valid(body) {
			t.Fatal("not JSON")
		}
		if most := 600 + 40*len(g.Blobs) + 200*len(g.Images); len(body) > most {
			t.Errorf("%v images, platforms, layers: %d bytes of at most %d", shape, len(body), most)
		}
	}
}

// TestFill leaves out what is not there.
func TestFill(t *testing.T) {
	t.Parallel()
	g := maker{rand.New(rand.NewPCG(5, 6))}.graph(2, 1, 1)
	lacks := map[digest.Digest]bool{g.Images[0].Root.Digest: true, g.Blobs[1].Descriptor.Digest: true}
	r := head()
	r.Fill(g, marks{receipt.Found, lacks})
	if len(r.Images) != 1 || r.Images[0].Digest != g.Images[1].Root.Digest || len(r.Manifests) != 1 || len(r.Blobs) != 1 {
		t.Errorf("%+v", r)
	}
	f := receipt.Merge(r)
	if f.Manifest(g.Images[0].Root.Digest) != nil || len(f.Blob(g.Blobs[0].Descriptor.Digest)) != 1 || len(f.Blob(g.Blobs[1].Descriptor.Digest)) != 0 {
		t.Error("the facts name what is not there")
	}
	encoded(t, r)
}

// TestVersions: a newer receipt is refused by name, anything else as what it is not.
func TestVersions(t *testing.T) {
	t.Parallel()
	body := encoded(t, some(t))
	var newer *oci.VersionError
	_, err := receipt.Decode(bytes.Replace(body, []byte("receipt/1"), []byte("receipt/3"), 1))
	if !errors.As(err, &newer) || newer.Has != "receipt/3" || !strings.Contains(err.Error(), "receipt/3; this one reads receipt/1") {
		t.Errorf("newer: %v", err)
	}
	if _, err := receipt.Decode([]byte(`{"satchel":"receipt/12","what":["it","is"]}`)); !errors.As(err, &newer) {
		t.Errorf("newer and different: %v", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, body, "", " "); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("receipt"), "a list": []byte("[]"), "no version": []byte("{}"), "another file": []byte(`{"satchel":"bundle/1"}`),
		"an odd version": []byte(`{"satchel":"receipt/01"}`), "cut off": body[:len(body)/2], "pretty": pretty.Bytes(), "more": append(slices.Clone(body), '\n'),
		"another key": bytes.Replace(body, []byte(`{`), []byte(`{"x":1,`), 1), "a key twice": bytes.Replace(body, []byte(`"state"`), []byte(`"state":"done","state"`), 1),
		"too large": make([]byte, receipt.MaxSize+1), "many rows": []byte(`{"satchel":"receipt/1","mirror":"a","images":[` + strings.Repeat("[],", 300000) + `[]]}`),
		"nested": []byte(`{"satchel":"receipt/1","mirror":"a","images":[[[]]]}`), "null": []byte(`{"satchel":"receipt/1","mirror":"a","images":null}`),
	} {
		var format *receipt.FormatError
		if _, err := receipt.Decode(b); !errors.As(err, &format) || format.Hint() == "" || !format.Permanent() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestChecks refuses to write, and so to read, what a receipt may not say.
func TestChecks(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(r *receipt.Receipt){
		"state":       func(r *receipt.Receipt) { r.State = "" },
		"bundle":      func(r *receipt.Receipt) { r.Bundle = "../x" },
		"fingerprint": func(r *receipt.Receipt) { r.Fingerprint = "x" },
		"stream":      func(r *receipt.Receipt) { r.Stream.Name = "A" },
		"sequence":    func(r *receipt.Receipt) { r.Sequence = -1 },
		"mirror":      func(r *receipt.Receipt) { r.Mirror.Host = "a b" },
		"depth":       func(r *receipt.Receipt) { r.Mirror.MaxNestedPaths = -1 },
		"from":        func(r *receipt.Receipt) { r.From = "somebody" },
		"year":        func(r *receipt.Receipt) { r.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"closes":      func(r *receipt.Receipt) { r.Closes[0] = "sha512:x" },
		"repository":  func(r *receipt.Receipt) { r.Repositories[0].Name = "../../etc" },
		"twice":       func(r *receipt.Receipt) { r.Repositories = append(r.Repositories, r.Repositories[3]) },
		"source":      func(r *receipt.Receipt) { r.Repositories[0].Sources[0].Name = "\x1b[31m" },
		"origin":      func(r *receipt.Receipt) { r.Images[0].Origins[0] = "Release" },
		"tag":         func(r *receipt.Receipt) { r.Images[1].Tags[0].Name = "a b" },
		"subject":     func(r *receipt.Receipt) { r.Images[1].Subject = "sha256:1" },
		"no manifest": func(r *receipt.Receipt) { r.Images[0].Repo = "other" },
		"manifest":    func(r *receipt.Receipt) { r.Manifests[0].MediaType = "text/plain" },
		"large":       func(r *receipt.Receipt) { r.Manifests[0].Size = oci.MaxManifestSize + 1 },
		"stranger":    func(r *receipt.Receipt) { r.Manifests[0].Repo = "a" },
		"blob":        func(r *receipt.Receipt) { r.Blobs[0].Size = -1 },
		"nowhere":     func(r *receipt.Receipt) { r.Blobs[0].In = nil },
		"same blob":   func(r *receipt.Receipt) { r.Blobs = append(r.Blobs, r.Blobs[0]) },
	} {
		r := some(t)
		spoil(r)
		if b, err := r.Encode(); err == nil {
			t.Errorf("%s: %s was written", name, b)
		}
	}
}

// TestNewest orders by time, and a stream by sequence, whatever the clocks said.
func TestNewest(t *testing.T) {
	t.Parallel()
	at := func(stream string, sequence, day int) *receipt.Receipt {
		r := head()
		r.Stream.Name, r.Sequence, r.Time = stream, sequence, time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
		if stream == "" {
			r.Stream = receipt.Stream{}
		}
		return r
	}
	list := []*receipt.Receipt{at("a", 1, 9), at("b", 5, 4), at("a", 2, 3), at("", 9, 5), at("a", 2, 2)}
	var got []string
	for _, r := range receipt.Newest(list) {
		got = append(got, fmt.Sprintf("%s%d-%d", r.Stream.Name, r.Sequence, r.Time.Day()))
	}
	if want := "a2-3 9-5 b5-4 a2-2 a1-9"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", strings.Join(got, " "), want)
	}
}

// TestMerge answers questions about several receipts.
func TestMerge(t *testing.T) {
	t.Parallel()
	older, newer := some(t), some(t)
	newer.Sequence++
	moved := older.Images[4]
	for i, r := range []*receipt.Receipt{older, newer} {
		for k := range r.Manifests {
			r.Manifests[k].Mark = i == 0
		}
	}
	intent := some(t)
	intent.State = receipt.Intent
	f := receipt.Merge(older, intent, newer)
	if len(f.Receipts()) != 2 || f.Receipts()[0] != newer {
		t.Errorf("%d receipts", len(f.Receipts()))
	}
	for _, m := range older.Manifests {
		if in := f.Manifest(m.Digest); len(in) != 1 || in[0] != (receipt.Place{Repo: m.Repo, Mark: receipt.Pushed}) {
			t.Errorf("%s: %v", m.Digest, in)
		}
	}
	for _, tag := range moved.Tags {
		if fact, ok := f.Tag(moved.Repo, tag.Name); !ok || fact.Digest != moved.Digest || fact.By != newer {
			t.Errorf("tag %s: %+v", tag.Name, fact)
		}
	}
	if !reflect.DeepEqual(f.Repositories(), older.Repositories) {
		t.Errorf("repositories %v", f.Repositories())
	}
	if _, ok := f.Tag("other", "v1"); ok || f.Manifest("sha256:0") != nil {
		t.Error("there are facts of what no receipt names")
	}
	own := oci.Digest(encoded(t, intent))
	if !intent.Open(own, []*receipt.Receipt{older}) || newer.Open(own, nil) {
		t.Error("open or not")
	}
	newer.Closes = []digest.Digest{own}
	if intent.Open(own, []*receipt.Receipt{older, newer}) {
		t.Error("an intent is open that a receipt ends")
	}
}

// FuzzDecode: what is read is what would be written, and nothing takes much memory.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, some(f)))
	f.Add(encoded(f, head()))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := receipt.Decode(b)
		if err != nil {
			return
		}
		if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%v: %q was read of %q", err, again, b)
		}
	})
}

// TestSameFacts: the time and what it ends are no facts.
func TestSameFacts(t *testing.T) {
	t.Parallel()
	a, b := some(t), some(t)
	b.Time, b.Closes = b.Time.Add(time.Hour), nil
	if !a.SameFacts(b) {
		t.Error("another time made other facts")
	}
	if b.Manifests[0].Mark = receipt.Found; a.SameFacts(b) {
		t.Error("another mark made the same facts")
	}
}
