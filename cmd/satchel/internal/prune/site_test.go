package prune_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// site is a mirror with the receipts of what was brought there.
type site struct {
	*ocitest.Content
	t       testing.TB
	host    string
	place   oci.Mirror
	state   string
	log     *log
	stream  receipt.Stream
	partial bool // what comes next is of bundles of a part of the images
	client  *transport.Client

	signers []*bundle.Signer // of receipts
}

// log is what a job reports.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func newSite(t testing.TB, host string, seed uint64) *site {
	place := oci.Mirror{Host: host, Namespace: "in"}
	return &site{
		Content: ocitest.New(seed), t: t, host: host, place: place, state: t.TempDir(), log: &log{},
		stream: receipt.Stream{Ledger: strings.Repeat("a", 32), Name: "weekly"}, client: transport.NewClient(transport.Config{}),
	}
}

// image is a new one of some layers.
func (s *site) image() oci.Descriptor { return s.Image(false, s.Layer(900, ocitest.LayerGzip)) }

// from is an image in a repository, as a configuration names it.
func from(repo string, root oci.Descriptor, tags ...string) oci.Image {
	return oci.Image{Origin: "additional", Source: oci.Ref{Registry: "quay.example", Repository: repo, Tag: "v"}, Root: root, Tags: tags}
}

// on is an image that is attached to another one.
func on(subject oci.Descriptor, img oci.Image) oci.Image {
	img.Subject = subject.Digest
	return img
}

func (s *site) ref(repo string) oci.Ref {
	return oci.Ref{Registry: s.host, Repository: "in/" + repo}
}

func (s *site) mirror() *transport.Mirror { return transport.NewMirror(s.client, s.place, 4) }

func (s *site) keeper() receipt.Keeper {
	return receipt.Keeper{Dir: receipt.HostDir(s.state, s.place), Mirror: s.mirror(), Repo: receipt.RepoIn(s.place), Signers: s.signers}
}

func (s *site) has(ref oci.Ref) bool {
	s.t.Helper()
	there, err := s.mirror().Has(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	return there
}

// push puts an image into the mirror by a tag, as anybody may.
func (s *site) push(repo string, root oci.Descriptor, tag string) {
	s.t.Helper()
	s.pushTo("in/"+repo, root, tag)
}

func (s *site) pushTo(repo string, root oci.Descriptor, tag string) {
	s.t.Helper()
	if err := ocitest.Push(s.t.Context(), s.Content, root, "http://"+s.host, repo, tag); err != nil {
		s.t.Fatal(err)
	}
}

// intent is the only intent that the mirror has.
func (s *site) intent() oci.Ref {
	s.t.Helper()
	tags, err := s.mirror().Tags(s.t.Context(), receipt.RepoIn(s.place))
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(tags, func(tag string) bool { return strings.Contains(tag, "-intent-") })
	d, err := s.mirror().TagDigest(s.t.Context(), receipt.RepoIn(s.place).WithTag(tags[i]))
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt.RepoIn(s.place).WithDigest(d)
}

// before is what the mirror had before a bundle came.
type before struct {
	s    *site
	tags map[oci.Ref]digest.Digest
	has  map[oci.Ref]bool
}

func (b before) Manifest(repo string, d digest.Digest) (receipt.Mark, bool) {
	return receipt.Mark(!b.has[oci.Ref{Registry: b.s.host, Repository: repo, Digest: d}]), true
}

func (b before) Blob(string, oci.Descriptor) (receipt.Mark, bool) { return receipt.Pushed, true }

func (b before) Tag(repo, tag string) (receipt.Mark, bool) {
	return receipt.Mark(b.tags[oci.Ref{Registry: b.s.host, Repository: repo, Tag: tag}] == ""), true
}

// bring pushes what a bundle has, as unpack does, and keeps its receipt.
func (s *site) bring(sequence int, images ...oci.Image) string {
	s.t.Helper()
	ctx := s.t.Context()
	graph, err := oci.ReadGraph(ctx, images, func(oci.Image) (oci.Source, error) { return s.Content, nil }, 2)
	if err != nil {
		s.t.Fatal(err)
	}
	b := before{s, map[oci.Ref]digest.Digest{}, map[oci.Ref]bool{}}
	for _, n := range graph.Manifests {
		for _, i := range n.Images {
			ref := s.place.Repo(images[i]).WithDigest(n.Descriptor.Digest)
			b.has[ref] = s.has(ref)
		}
	}
	for _, img := range images {
		for _, tag := range img.MirrorTags() {
			ref := s.place.Repo(img).WithTag(tag)
			named, err := s.mirror().TagDigest(ctx, ref)
			if err != nil {
				s.t.Fatal(err)
			}
			if named == img.Root.Digest {
				b.tags[ref] = named
			}
		}
	}
	for _, img := range images {
		for _, tag := range append([]string{}, img.MirrorTags()...) {
			s.pushTo(s.place.Repo(img).Repository, img.Root, tag)
		}
		if len(img.MirrorTags()) == 0 { // attached by its subject alone
			s.pushTo(s.place.Repo(img).Repository, img.Root, img.Root.Digest.String())
		}
	}
	id := fmt.Sprintf("bundle%010d", sequence)
	at := time.Date(2026, 1, sequence, 8, 0, 0, 0, time.UTC)
	r := &receipt.Receipt{State: receipt.Done, Bundle: id, Stream: s.stream, Sequence: sequence, Partial: s.partial, Packed: at, Mirror: s.place, Time: at.Add(time.Hour)}
	r.Fill(graph, b)
	s.keep(r)
	return id
}

// keep keeps a receipt on this host and in the mirror.
func (s *site) keep(r *receipt.Receipt) {
	s.t.Helper()
	k := s.keeper()
	h, err := k.History(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	one, err := k.Seal(s.t.Context(), r)
	if err == nil {
		err = errors.Join(k.ToHost(one), k.ToMirror(s.t.Context(), h, one))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) options(keep int) prune.Options {
	o := prune.Options{Place: s.place, Mirror: s.mirror(), Keeper: s.keeper(), Keep: keep, Parallel: 4}
	o.To = notice.To{Log: slog.New(slog.NewTextHandler(s.log, nil))}
	return o
}

// prune prunes, and gives what was done.
func (s *site) prune(o prune.Options) *prune.Plan {
	s.t.Helper()
	plan, err := prune.Look(s.t.Context(), o)
	if err == nil {
		err = plan.Do(s.t.Context())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// want wants things to be there, or not.
func (s *site) want(there bool, refs ...oci.Ref) {
	s.t.Helper()
	for _, ref := range refs {
		if s.has(ref) != there {
			s.t.Errorf("%s is there: %v", ref, !there)
		}
	}
}

// why is what a plan says of a manifest.
func why(plan *prune.Plan, repo string, d oci.Descriptor) string {
	i := slices.IndexFunc(plan.Manifests, func(item *prune.Item) bool { return item.Repository == "in/"+repo && item.Digest == d.Digest })
	if i < 0 {
		return "not named"
	}
	return string(plan.Manifests[i].State) + ": " + plan.Manifests[i].Why
}

// files gives the content of all files of a registry's storage that do not belong to the
// repository of receipts.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(name, "/satchel/receipts/") {
			return err
		}
		body, err := os.ReadFile(name)
		all[strings.TrimPrefix(name, dir)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// pulls reads an image whole from the mirror.
func (s *site) pulls(repo string, root oci.Descriptor) {
	s.t.Helper()
	if err := ocitest.Compare(context.Background(), s.Content, root, "http://"+s.host, "in/"+repo, root.Digest.String()); err != nil {
		s.t.Error(err)
	}
}

// compare wants two states of a storage to differ in nothing but what was named: manifests by
// their digests, tags by REPOSITORY:TAG; and in blobs of receipts that are new.
func compare(t testing.TB, was, now map[string]string, named map[string]bool) {
	t.Helper()
	may := func(file string) bool {
		for name := range named {
			repo, tag, is := strings.Cut(name, ":")
			if is && strings.Contains(file, "/"+repo+"/_manifests/tags/"+tag+"/") || !is && strings.Contains(file, "/"+name) {
				return true
			}
		}
		return false
	}
	for file, body := range was {
		if got, there := now[file]; (!there || got != body) && !may(file) {
			t.Errorf("%s has changed (there: %v)", file, there)
		}
	}
	for file := range now {
		if _, there := was[file]; !there && !strings.Contains(file, "/blobs/sha256/") {
			t.Errorf("%s is new", file)
		}
	}
}

// referrer is an artifact that names its subject.
func (s *site) referrer(subject oci.Descriptor, text string) oci.Descriptor {
	config := s.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	layer := s.Blob([]byte(text), "text/plain")
	body, err := json.Marshal(ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeManifest, ArtifactType: "text/spam", Config: config, Layers: []oci.Descriptor{layer}, Subject: &subject})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Blob(body, oci.MediaTypeManifest)
}

// list writes the list of referrers of an image, where the registry does not keep it itself.
func (s *site) list(subject oci.Descriptor, referrers ...oci.Descriptor) {
	s.t.Helper()
	_, itself, err := s.mirror().Referrers(s.t.Context(), s.ref("app").WithDigest(subject.Digest))
	if err != nil {
		s.t.Fatal(err)
	}
	if !itself {
		s.push("app", s.Index(false, referrers...), "sha256-"+subject.Digest.Encoded())
	}
}
