package bundle

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// fixture is a set of images, a key, and directories for a drive and a state.
type fixture struct {
	content  *ocitest.Content
	inv      *oci.Inventory
	graph    *oci.Graph
	drive    string
	state    string
	identity []Identity
	keyFile  string
	job      Job
}

func newFixture(t testing.TB, segmentSize int64, postQuantum bool) *fixture {
	t.Helper()
	content := ocitest.New(7)
	return newFixtureOf(t, content, content.Kinds(), segmentSize, postQuantum)
}

// newSmall is a fixture of about 5 MiB in segments of 1 MiB and two lanes: images
// that share small layers, and one layer that spans several segments.
func newSmall(t testing.TB, postQuantum bool) *fixture {
	t.Helper()
	c := ocitest.New(11)
	shared := c.Layer(100<<10, ocitest.LayerGzip)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{
		"long":     c.Image(false, shared, c.Layer(2500<<10, ocitest.LayerGzip)),
		"short":    c.Image(true, shared, c.Layer(300<<10, ocitest.LayerGzip), c.Layer(400<<10, ocitest.LayerTar)),
		"artifact": c.Artifact("application/vnd.example.note", c.Layer(700<<10, "application/octet-stream")),
	}, MinSegmentSize, postQuantum)
	f.job.Lanes = 2
	return f
}

func newFixtureOf(t testing.TB, content *ocitest.Content, roots map[string]oci.Descriptor, segmentSize int64, postQuantum bool) *fixture {
	t.Helper()
	f := &fixture{content: content, drive: filepath.Join(t.TempDir(), "drive"), state: t.TempDir(), inv: &oci.Inventory{}}
	for name, root := range roots {
		f.inv.Images = append(f.inv.Images, imageOf(t, name, root))
	}
	f.inv.Sort()
	f.keyFile, f.job.Recipients = newKey(t, postQuantum)
	var err error
	if f.identity, err = ReadIdentities([]string{f.keyFile}, nil); err != nil {
		t.Fatal(err)
	}
	f.job.Config, f.job.SegmentSize, f.job.Lanes = digest.FromString("a configuration"), segmentSize, 3
	f.survey(t)
	return f
}

func imageOf(t testing.TB, name string, root oci.Descriptor) oci.Image {
	t.Helper()
	ref, err := oci.ParseRef("registry.example:5000/made-up/" + name + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	return oci.Image{Origin: "additional", Source: ref, Root: root, Tags: []string{"v1"}}
}

// newKey makes an identity file and the recipient of its key.
func newKey(t testing.TB, postQuantum bool) (file string, to []Recipient) {
	t.Helper()
	identity, recipient, err := GenerateKey(postQuantum)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(file, []byte(identity+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if to, err = ParseRecipients([]string{recipient}, nil, nil); err != nil {
		t.Fatal(err)
	}
	return file, to
}

func (f *fixture) survey(t testing.TB) {
	t.Helper()
	graph, err := oci.ReadGraph(context.Background(), f.inv.Images, func(oci.Image) (oci.Source, error) { return f.content, nil }, 2)
	if err != nil {
		t.Fatal(err)
	}
	f.graph = graph
}

// add puts one more image into the set.
func (f *fixture) add(t testing.TB, name string, root oci.Descriptor) {
	t.Helper()
	f.inv.Images = append(f.inv.Images, imageOf(t, name, root))
	f.inv.Sort()
	f.survey(t)
}

// writer creates the bundle or resumes it.
func (f *fixture) writer(t testing.TB) *Writer {
	t.Helper()
	if _, err := MakeDir(f.drive); err != nil {
		t.Fatal(err)
	}
	w, err := Resume(context.Background(), f.drive, f.state, f.job, nil)
	if err == nil && w == nil {
		w, err = Create(f.drive, f.state, f.job, f.inv)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// fill puts everything that is not held yet, blobs first, one after another.
func (f *fixture) fill(ctx context.Context, w *Writer, src oci.Source) error {
	unfinished, err := w.Unfinished()
	if err != nil {
		return err
	}
	blobs := slices.Clone(f.graph.Blobs)
	slices.SortStableFunc(blobs, func(a, b oci.Node) int {
		_, x := unfinished[a.Descriptor.Digest]
		_, y := unfinished[b.Descriptor.Digest]
		return btoi(y) - btoi(x)
	})
	for _, n := range append(blobs, f.graph.Manifests...) {
		if err := w.Put(ctx, n.Descriptor, src); err != nil {
			return err
		}
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pack makes the whole bundle at once.
func (f *fixture) pack(t testing.TB) Fingerprint {
	t.Helper()
	w := f.writer(t)
	if err := f.fill(context.Background(), w, f.content); err != nil {
		t.Fatal(err)
	}
	fp, err := w.Seal(context.Background(), f.inv)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return fp
}

// check opens the bundle and compares every blob and manifest with the source.
func (f *fixture) check(t testing.TB) {
	t.Helper()
	if _, err := Verify(context.Background(), []string{f.drive}, VerifyOptions{Cold: true}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(context.Background(), []string{f.drive}, Wanted{}, f.identity)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got, want := r.Inventory().Images, f.inv.Images; len(got) != len(want) {
		t.Fatalf("inventory has %d images, want %d", len(got), len(want))
	}
	for _, n := range append(slices.Clone(f.graph.Blobs), f.graph.Manifests...) {
		rc, err := oci.Verified(r).Open(context.Background(), n.Descriptor, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, rc); err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if err := rc.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for name, c := range map[string]struct {
		segment int64
		pq      bool
	}{
		"one segment a lane": {DefaultSegmentSize, false},
		"many segments":      {MinSegmentSize, false},
		"post-quantum":       {MinSegmentSize, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.segment, c.pq)
			big := f.content.Layer(9<<20, "application/vnd.oci.image.layer.v1.tar+gzip")
			f.add(t, "big", f.content.Image(false, big))
			f.pack(t)
			f.check(t)
		})
	}
}
