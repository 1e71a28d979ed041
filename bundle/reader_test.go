package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// open opens the fixture's sealed bundle for the length of the test.
func (f *fixture) open(t testing.TB) *Reader {
	t.Helper()
	r, err := Open(context.Background(), []string{f.drive}, Wanted{}, f.identity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// newSpread is a sealed bundle of 24 MiB in over a hundred segments.
func newSpread(t testing.TB) *fixture {
	t.Helper()
	f, _ := newLarge(t, MinSegmentSize, 3)
	zeros := f.content.Blob(make([]byte, 3<<20+77), ocitest.LayerTar)
	f.add(t, "spread", f.content.Image(false, zeros, f.content.Blob(nil, ocitest.LayerTar), f.content.Layer(9<<20, ocitest.LayerTar)))
	w := f.writer(t)
	w.maxAge = 0
	if err := f.fill(context.Background(), w, f.content); err != nil {
		t.Fatal(err)
	}
	_, err := w.Seal(context.Background(), f.inv)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if n := len(segmentFiles(t, f.drive)); n < 60 {
		t.Fatalf("only %d segments", n)
	}
	return f
}

// compareRange reads a range of d from both sources.
func compareRange(ctx context.Context, got, want oci.Source, d oci.Descriptor, off, length int64) error {
	read := func(src oci.Source) ([]byte, error) {
		rc, err := src.Open(ctx, d, off)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(rc, length))
		return body, errors.Join(err, rc.Close())
	}
	a, err := read(got)
	if err != nil {
		return err
	}
	b, err := read(want)
	if err == nil && !bytes.Equal(a, b) {
		err = fmt.Errorf("%s from %d: %d bytes, which are not the source's %d", d.Digest, off, len(a), len(b))
	}
	return err
}

// TestRanges reads random ranges of random blobs, several at a time.
func TestRanges(t *testing.T) {
	for _, f := range []*fixture{newSpread(t), newPacked(t)} {
		r := f.open(t)
		all := slices.Concat(f.graph.Blobs, f.graph.Manifests)
		g, ctx := errgroup.WithContext(t.Context())
		for worker := range uint64(8) {
			g.Go(func() error {
				rnd := rand.New(rand.NewPCG(worker, 2))
				for range 40 {
					d := all[rnd.IntN(len(all))].Descriptor
					if err := compareRange(ctx, r, f.content, d, rnd.Int64N(d.Size+1), rnd.Int64N(2<<20)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for _, n := range all {
			if err := compareRange(t.Context(), r, f.content, n.Descriptor, n.Descriptor.Size, 1); err != nil {
				t.Error(err)
			}
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// newPacked is a sealed bundle whose small blobs share frames.
func newPacked(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t, DefaultSegmentSize, false)
	f.pack(t)
	return f
}

func TestOpenRefusesRanges(t *testing.T) {
	f := newPacked(t)
	r := f.open(t)
	d := f.graph.Blobs[0].Descriptor
	if _, err := r.Open(t.Context(), oci.Descriptor{Digest: oci.Digest([]byte("absent")), Size: 6}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a blob that is not there: %v", err)
	}
	for _, off := range []int64{-1, d.Size + 1} {
		if _, err := r.Open(t.Context(), d, off); err == nil {
			t.Errorf("offset %d is accepted", off)
		}
	}
	wrong := d
	wrong.Size++
	if _, err := r.Open(t.Context(), wrong, 0); err == nil {
		t.Error("another size is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	rc, err := r.Open(ctx, d, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(rc); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
}

// TestOrder is the order in which content lies on the drive.
func TestOrder(t *testing.T) {
	f := newSpread(t)
	r := f.open(t)
	var ds []oci.Descriptor
	for _, n := range slices.Concat(f.graph.Manifests, f.graph.Blobs) {
		ds = append(ds, n.Descriptor)
	}
	absent := oci.Descriptor{Digest: oci.Digest([]byte("absent")), Size: 6}
	ds = append([]oci.Descriptor{absent}, ds...)
	before := slices.Clone(ds)
	got := slices.Collect(r.Order(ds))
	if len(got) != len(ds) || got[len(got)-1].Digest != absent.Digest {
		t.Fatalf("%d of %d, the absent one is not the last", len(got), len(ds))
	}
	for i := 1; i < len(got)-1; i++ {
		a, b := r.index.Blobs[got[i-1].Digest].At[0], r.index.Blobs[got[i].Digest].At[0]
		if a.Segment > b.Segment || a.Segment == b.Segment && a.Offset > b.Offset {
			t.Errorf("%s at %v comes before %s at %v", got[i-1].Digest, a, got[i].Digest, b)
		}
	}
	for i, d := range before {
		if ds[i].Digest != d.Digest {
			t.Fatal("Order changed its argument")
		}
	}
	for range r.Order(ds) {
		break
	}
}

// openFiles counts this process's file descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("/proc/self/fd cannot be read here")
	}
	return len(entries)
}

// TestReadingIsFrugal reads a whole bundle of many segments: neither open files
// nor memory grow with it.
func TestReadingIsFrugal(t *testing.T) {
	f := newSpread(t)
	before := openFiles(t)
	r := f.open(t)
	var most int
	var base, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&base)
	var peak uint64
	for d := range r.Order(descriptors(f)) {
		rc, err := r.Open(t.Context(), d, 0)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 512<<10)
		for err == nil {
			_, err = io.ReadFull(rc, buf)
			most = max(most, openFiles(t))
		}
		runtime.GC()
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
		if err := rc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if most > before+8 {
		t.Errorf("%d files are open, %d before", most, before)
	}
	if grown := int64(peak) - int64(base.HeapAlloc); grown > 40<<20 {
		t.Errorf("%d MiB of memory are in use", grown>>20)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open at the end, %d before", after, before)
	}
}

func descriptors(f *fixture) (list []oci.Descriptor) {
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		list = append(list, n.Descriptor)
	}
	return list
}

// TestNothingStaysOpen writes, breaks off and reads, and counts goroutines and files.
func TestNothingStaysOpen(t *testing.T) {
	f, large := newLarge(t, MinSegmentSize, 2)
	files, routines := openFiles(t), runtime.NumGoroutine()
	for range 3 {
		w := f.writer(t)
		ctx, cancel := context.WithCancel(t.Context())
		stop := oci.SourceFunc(func(c context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
			rc, err := f.content.Open(c, d, off)
			return &countdown{ReadCloser: rc, left: 2 << 20, end: cancel}, err
		})
		if err := w.Put(ctx, large, stop); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f.finish(t)
	runtime.GC()
	if n := openFiles(t); n > files {
		t.Errorf("%d files are open, %d before", n, files)
	}
	if n := runtime.NumGoroutine(); n > routines {
		t.Errorf("%d goroutines, %d before", n, routines)
	}
}

// TestReaderFacts holds what a reader says of its bundle against what was packed.
func TestReaderFacts(t *testing.T) {
	f := newSmall(t, false)
	finger := f.pack(t)
	r := f.open(t)
	segments, size, blobs := r.Stat()
	var want int64
	names := segmentFiles(t, f.drive)
	for _, name := range names {
		want += int64(len(files(t, f.drive)[name]))
	}
	if r.Fingerprint() != finger || r.Dir() != f.drive || segments != len(names) || size != want || blobs != len(descriptors(f)) || r.Created().IsZero() || r.ID() == "" {
		t.Errorf("%s %s %d %d %d", r.Fingerprint(), r.Dir(), segments, size, blobs)
	}
	for i, img := range r.Inventory().Images {
		if w := f.inv.Images[i]; img.Source != w.Source || img.Root.Digest != w.Root.Digest || !slices.Equal(img.Tags, w.Tags) || img.Origin != w.Origin {
			t.Errorf("image %+v, want %+v", img, w)
		}
	}
}
