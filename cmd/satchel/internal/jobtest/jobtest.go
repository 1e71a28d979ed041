// Package jobtest is what tests of jobs share: a registry in the process with a proxy in
// front of it, images, a key, and options for a job.
package jobtest

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// Bench is one host with a registry.
type Bench struct {
	Content *ocitest.Content
	Proxy   *registrytest.Proxy // in front of the registry; images are named through it
	Log     *Log                // what jobs report

	t          testing.TB
	dir        string
	registry   string
	recipients []bundle.Recipient
	identities []bundle.Identity
}

// New starts a registry and creates a key.
func New(t testing.TB, seed uint64) *Bench {
	t.Helper()
	registry := registrytest.StartOlareg(t)
	b := &Bench{t: t, Content: ocitest.New(seed), Proxy: registrytest.StartProxy(t, registry.Host), Log: &Log{}, dir: t.TempDir(), registry: registry.Host}
	identity, recipient, err := bundle.GenerateKey(false)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(b.dir, "key")
	if err := os.WriteFile(key, []byte(identity+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b.recipients, err = bundle.ParseRecipients([]string{recipient}, nil, &bundle.UI{}); err != nil {
		t.Fatal(err)
	}
	if b.identities, err = bundle.ReadIdentities([]string{key}, &bundle.UI{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// Push puts an image into the registry and gives its reference, by tag.
func (b *Bench) Push(root oci.Descriptor, repo, tag string) string {
	b.t.Helper()
	if err := ocitest.Push(b.t.Context(), b.Content, root, "http://"+b.registry, repo, tag); err != nil {
		b.t.Fatal(err)
	}
	return b.Proxy.Host + "/" + repo + ":" + tag
}

// Images is a configuration of additional images.
func Images(refs ...string) string {
	var text strings.Builder
	text.WriteString("  additionalImages:\n")
	for _, ref := range refs {
		fmt.Fprintf(&text, "  - name: %s\n", ref)
	}
	return text.String()
}

// Prepare gives options for what is below "mirror:" in a configuration.
func (b *Bench) Prepare(mirror string) prepare.Options {
	b.t.Helper()
	cfg, err := manifests.Parse("set.yaml", []byte("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n"+mirror))
	if err != nil {
		b.t.Fatal(err)
	}
	return prepare.Options{
		To: b.To(), Config: cfg, File: "set.yaml", Client: Client(), ParallelImages: 2, ParallelBlobs: 2,
		Cache: cache.Optional(filepath.Join(b.dir, "cache"), b.dir, func(err error) { b.t.Error(err) }),
	}
}

// Client speaks to registries without TLS, and tries once.
func Client() *transport.Client { return transport.NewClient(transport.Config{}) }

// To is the bench's log.
func (b *Bench) To() notice.To {
	return notice.To{Log: slog.New(slog.NewTextHandler(b.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

// Pack gives options of a pack into a directory of that name.
func (b *Bench) Pack(o prepare.Options, dir string) pack.Options {
	return pack.Options{
		Options: o, Dir: filepath.Join(b.dir, dir), State: filepath.Join(b.dir, "state"),
		Job: bundle.Job{Recipients: b.recipients, SegmentSize: 1 << 20, Lanes: 2, Stream: "set"}, From: "/etc/set.yaml",
	}
}

// Open opens a bundle until the test ends.
func (b *Bench) Open(dir string) *bundle.Reader {
	b.t.Helper()
	return b.OpenAll(dir)
}

// OpenAll is Open for a bundle in several directories.
func (b *Bench) OpenAll(dirs ...string) *bundle.Reader {
	b.t.Helper()
	r, err := bundle.Open(b.t.Context(), dirs, bundle.Wanted{}, b.identities)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = r.Close() }) // it is read only
	return r
}

// KeyFile opens the bench's bundles.
func (b *Bench) KeyFile() string { return filepath.Join(b.dir, "key") }

// Repos lists the repositories of images, in their order, each with its tag.
func Repos(images []oci.Image) (list []string) {
	for _, img := range images {
		list = append(list, img.Source.Repository+":"+img.Source.Tag)
	}
	return list
}

// Log is what jobs report. It may be written and read by several goroutines.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
