package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// referrer adds an artifact that is attached to the subject.
func referrer(t testing.TB, c *ocitest.Content, subject oci.Descriptor, blobs ...oci.Descriptor) oci.Descriptor {
	t.Helper()
	r, err := c.Reader(c.Artifact("application/vnd.example.note", blobs...).Digest)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	var m ispec.Manifest
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err == nil {
		m.Subject = &subject
		body, err = json.Marshal(m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.Blob(body, oci.MediaTypeManifest)
}

// signedSet is an index with all that can be attached to one.
type signedSet struct {
	c           *ocitest.Content
	root, child oci.Descriptor
	images      []oci.Image       // root first
	referrers   []oci.Descriptor  // of root; of the first of these; of child
	subjects    []oci.Descriptor  // of those
	tags        map[string]string // cosign's, and the digest that each names
}

const signedRepo = "team/app"

func newSigned(t testing.TB, seed uint64) *signedSet {
	t.Helper()
	c := ocitest.New(seed)
	layer := func() oci.Descriptor { return c.Layer(3000, ocitest.LayerGzip) }
	s := &signedSet{c: c, child: c.Image(false, layer()), tags: map[string]string{}}
	s.root = c.Index(false, s.child, c.ImageFor("arm64", false, layer()))
	s.add(s.root, "v1", "")
	for _, subject := range []oci.Descriptor{s.root, s.child} {
		for _, suffix := range []string{".sig", ".att", ".sbom"} {
			d := c.Artifact("application/vnd.example.cosign", layer())
			tag := "sha256-" + subject.Digest.Encoded() + suffix
			s.tags[tag] = d.Digest.String()
			s.add(d, tag, subject.Digest)
		}
	}
	s.subjects = []oci.Descriptor{s.root}
	s.referrers = []oci.Descriptor{referrer(t, c, s.root, layer())}
	s.subjects = append(s.subjects, s.referrers[0], s.child)
	s.referrers = append(s.referrers, referrer(t, c, s.referrers[0], layer()), referrer(t, c, s.child, layer()))
	for i, d := range s.referrers {
		s.add(d, "", s.subjects[i].Digest)
	}
	return s
}

func (s *signedSet) add(root oci.Descriptor, tag string, subject digest.Digest) {
	ref := oci.Ref{Registry: "registry.example", Repository: signedRepo}
	img := oci.Image{Source: ref.WithDigest(root.Digest), Root: root, Subject: subject}
	if tag != "" {
		img.Source, img.Tags = ref.WithTag(tag), []string{tag}
	}
	s.images = append(s.images, img)
}

// into puts images into a registry as they are named, with a fallback index
// where it has no referrers API.
func into(t testing.TB, c *ocitest.Content, place oci.Mirror, images ...oci.Image) {
	t.Helper()
	client := transport.NewClient(transport.Config{})
	defer client.Close()
	m := transport.NewMirror(client, place, 1)
	missing, err := m.Missing(t.Context(), c, &oci.Inventory{Images: images})
	if err == nil {
		err = m.Blobs(t.Context(), c, slices.Values(missing.Blobs))
	}
	if err == nil {
		err = m.Manifests(t.Context(), c, missing.Images)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// getIndex reads an index from a registry; false if it is not there.
func getIndex(t testing.TB, url string) (index ispec.Index, ok bool) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", oci.MediaTypeIndex)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if resp.StatusCode != http.StatusOK {
		return index, false
	}
	if err := json.Unmarshal(body, &index); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return index, true
}

// listed is what a registry lists as referrers: by the API, else in the fallback index.
func listed(t testing.TB, host, repo string, subject oci.Descriptor, api bool) (list []string) {
	t.Helper()
	url := "http://" + host + "/v2/" + repo + "/manifests/sha256-" + subject.Digest.Encoded()
	if api {
		url = "http://" + host + "/v2/" + repo + "/referrers/" + subject.Digest.String()
	}
	index, _ := getIndex(t, url)
	for _, d := range index.Manifests {
		list = append(list, d.Digest.String())
	}
	return list
}

func (s *signedSet) compare(t testing.TB, host, repo string, api bool) {
	t.Helper()
	base := "http://" + host
	if err := ocitest.Compare(t.Context(), s.c, s.root, base, repo, "v1"); err != nil {
		t.Error(err)
	}
	for _, img := range s.images {
		name := img.Root.Digest.String()
		if len(img.Tags) > 0 {
			name = img.Tags[0]
		}
		if err := ocitest.Compare(t.Context(), s.c, img.Root, base, repo, name); err != nil {
			t.Error(err)
		}
	}
	for i, d := range s.referrers {
		if list := listed(t, host, repo, s.subjects[i], api); !slices.Contains(list, d.Digest.String()) {
			t.Errorf("referrer %d, %s, is not listed for %s: %v", i, d.Digest, s.subjects[i].Digest, list)
		}
	}
}

// registryKinds are a registry without the referrers API and one with it.
var registryKinds = map[string]func(t testing.TB) (host string, api bool){
	"fallback": func(t testing.TB) (string, bool) { return registrytest.Start(t).Host, false },
	"api":      func(t testing.TB) (string, bool) { return registrytest.StartOlareg(t).Host, true },
}

// TestAttachmentsAreCarried goes from each kind of registry to each.
func TestAttachmentsAreCarried(t *testing.T) {
	t.Parallel()
	for from, source := range registryKinds {
		for to, mirror := range registryKinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				s := newSigned(t, 71)
				host, _ := source(t)
				into(t, s.c, oci.Mirror{Host: host}, s.images...)
				inside, api := mirror(t)
				// The mirror has a referrer of its own.
				other := ocitest.New(72)
				own := referrer(t, other, s.root, other.Layer(100, ocitest.LayerGzip))
				ownRef := oci.Ref{Registry: "x.example", Repository: signedRepo}.WithDigest(own.Digest)
				into(t, other, oci.Mirror{Host: inside, Namespace: "in"}, oci.Image{Source: ownRef, Root: own, Subject: s.root.Digest})

				w := newWorld(t)
				w.images(host + "/" + signedRepo + ":v1")
				w.run(w.pack()...).want(exitOK)
				checkSigned(t, w, s)
				w.run(w.unpack(inside + "/in")...).want(exitOK)
				s.compare(t, inside, "in/"+signedRepo, api)
				if list := listed(t, inside, "in/"+signedRepo, s.root, api); len(list) != 2 || !slices.Contains(list, own.Digest.String()) {
					t.Errorf("the mirror's own referrer is lost: %v", list)
				}
				w.run(w.unpack(inside + "/in")...).want(exitOK).says("nothing to do")
			})
		}
	}
}

// checkSigned holds what inspect says against the set: everything once, and no
// fallback index.
func checkSigned(t *testing.T, w *world, s *signedSet) {
	t.Helper()
	var got inspect.Report
	if err := json.Unmarshal([]byte(w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK).stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Images) != len(s.images) || got.Blobs != len(s.c.All())-s.unused(t) {
		t.Errorf("%d images, %d blobs and manifests", len(got.Images), got.Blobs)
	}
	subjects := map[string]digest.Digest{}
	for _, img := range s.images {
		subjects[fmt.Sprint(img.Root.Digest, img.Tags)] = img.Subject
	}
	for _, img := range got.Images {
		subject, ok := subjects[fmt.Sprint(img.Digest, img.Tags)]
		if !ok || subject != img.Subject {
			t.Errorf("%s: attached to %q, want %q", img.Source, img.Subject, subject)
		}
		if img.Digest == s.root.Digest && img.Attached != len(s.images)-1 {
			t.Errorf("%d are attached to the image, want %d", img.Attached, len(s.images)-1)
		}
	}
	table := w.run("inspect", "-i", w.key, w.drive).want(exitOK).stdout
	if !strings.Contains(table, "attached     9 signatures and other referrers\n") || !strings.Contains(table, "content      1 image, ") ||
		strings.Count(table, signedRepo) != 1 {
		t.Errorf("the table:\n%s", table)
	}
}

// unused counts what referrer made on its way.
func (s *signedSet) unused(t testing.TB) (n int) {
	t.Helper()
	used := map[digest.Digest]bool{}
	for _, img := range s.images {
		if err := oci.Walk(t.Context(), s.c, img.Root, func(d oci.Descriptor, _ []byte) error {
			used[d.Digest] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return len(s.c.All()) - len(used)
}

// TestFallbackIndexIsMended has the run end between a referrer and its index.
func TestFallbackIndexIsMended(t *testing.T) {
	t.Parallel()
	s := newSigned(t, 73)
	source, mirror := registrytest.StartOlareg(t), registrytest.Start(t)
	into(t, s.c, oci.Mirror{Host: source.Host}, s.images...)
	w := newWorld(t)
	w.images(source.Host + "/" + signedRepo + ":v1")
	w.run(w.pack()...).want(exitOK)
	proxy := registrytest.StartProxy(t, mirror.Host)
	refused := false
	proxy.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasPrefix(filepath.Base(r.URL.Path), "sha256-") && !refused {
			rw.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	w.run(w.unpack(proxy.Host)...).want(exitRegistry)
	refused = true
	if r := w.run(w.unpack(proxy.Host)...).want(exitOK); strings.Contains(r.stderr, "nothing to do") {
		t.Error(r.stderr)
	}
	s.compare(t, mirror.Host, signedRepo, false)
}

// TestFallbackTagIsRefused names a referrers index as an image.
func TestFallbackTagIsRefused(t *testing.T) {
	t.Parallel()
	s := newSigned(t, 74)
	source := registrytest.Start(t)
	into(t, s.c, oci.Mirror{Host: source.Host}, s.images...)
	w := newWorld(t)
	ref := source.Host + "/" + signedRepo + ":sha256-" + s.root.Digest.Encoded()
	w.images(source.Host+"/"+signedRepo+":v1", ref)
	w.run(w.pack()...).want(exitUsage).says("image "+ref, "index of another image's referrers")
}

// remove deletes from a registry that allows it.
func remove(t testing.TB, url string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodDelete, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("DELETE %s: %s %v", url, resp.Status, err)
	}
}

// TestReferrerIsGone has the source list a referrer that is not available: its
// manifest in one round, its blob in the other.
func TestReferrerIsGone(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"manifests", "blobs"} {
		s := newSigned(t, 75)
		source, mirror := registrytest.Start(t), newMirror(t)
		into(t, s.c, oci.Mirror{Host: source.Host}, s.images...)
		lost := s.referrers[2]
		gone := lost.Digest
		if what == "blobs" {
			err := oci.Walk(t.Context(), s.c, lost, func(d oci.Descriptor, body []byte) error {
				if body == nil && d.Size > 2 {
					gone = d.Digest
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		remove(t, "http://"+source.Host+"/v2/"+signedRepo+"/"+what+"/"+gone.String())
		w := newWorld(t)
		w.images(source.Host + "/" + signedRepo + ":v1")
		name := source.Host + "/" + signedRepo + "@" + lost.Digest.String()
		if what == "manifests" { // nothing but an old list names it
			w.run(w.pack()...).want(exitOK).says("warning: ", gone.String())
		} else {
			w.run(w.pack()...).want(exitRegistry).says("image "+name, gone.String())
			list := w.gaps(w.run(w.pack("--keep-going")...))
			if len(list.Images) != 1 || list.Images[0].Image.Source.String() != name || list.Images[0].Image.Subject != s.child.Digest || list.Images[0].Image.Root.Digest != lost.Digest {
				t.Errorf("gaps %+v", list.Images)
			}
		}
		w.run(w.unpack(mirror)...).want(exitOK)
		if err := ocitest.Compare(t.Context(), s.c, s.root, "http://"+mirror, signedRepo, "v1"); err != nil {
			t.Error(err)
		}
		if got := listed(t, mirror, signedRepo, s.child, true); len(got) != 0 {
			t.Errorf("%s: the mirror lists %v", what, got)
		}
	}
}
