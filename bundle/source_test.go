package bundle

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// newLarge has one layer of 9 MiB beside small ones.
func newLarge(t testing.TB, segmentSize int64, lanes int) (*fixture, oci.Descriptor) {
	t.Helper()
	f := newSmall(t, false)
	large := f.content.Layer(9<<20, ocitest.LayerGzip)
	f.add(t, "large", f.content.Image(false, large))
	f.job.SegmentSize, f.job.Lanes = segmentSize, lanes
	return f, large
}

// state replays the fixture's journal.
func (f *fixture) replay(t testing.TB) *journal.State {
	t.Helper()
	j, st, err := journal.Open(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestSourceGoesAway cuts the source in the middle of a large blob: what was
// read stays on the drive, no seal names it, and the next run asks for the rest.
func TestSourceGoesAway(t *testing.T) {
	for name, until := range map[string]int64{"at once": 0, "in the first segment": 300 << 10, "in a later one": 5<<20 + 12345, "before the last byte": 9 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits between tries
			f, large := newLarge(t, MinSegmentSize, 2)
			until = min(until, large.Size-1)
			src := newWeak(f.content, large.Digest, until)
			w := f.writer(t)
			if err := w.Put(t.Context(), large, src); !errors.Is(err, errLink) {
				t.Fatalf("Put: %v", err)
			}
			if held, err := w.Unfinished(); err != nil || held[large.Digest] != until || has(t, w, large) {
				t.Errorf("unfinished %v, %v", held, err)
			}
			if _, err := w.Seal(t.Context(), f.inv); err == nil {
				t.Error("an unfinished blob is sealed")
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			f.checkProvisional(t, large)

			src.offsets(large.Digest)
			src.until = large.Size
			w = f.writer(t)
			if held, err := w.Unfinished(); err != nil || held[large.Digest] != until {
				t.Errorf("after the restart: unfinished %v, %v", held, err)
			}
			if err := w.Put(t.Context(), large, src); err != nil {
				t.Fatal(err)
			}
			if got := src.offsets(large.Digest); !slices.Equal(got, []int64{until}) || src.read[large.Digest] != large.Size {
				t.Errorf("asked for %v, %d bytes read in all; want only what follows %d of %d", got, src.read[large.Digest], until, large.Size)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			f.finish(t)
		})
	}
}

// checkProvisional looks at an unfinished bundle: its segments are durable, the
// drive seal names none, and there is no index.
func (f *fixture) checkProvisional(t *testing.T, d oci.Descriptor) {
	t.Helper()
	all := files(t, f.drive)
	drive, err := seal.ParseDrive(all[seal.DriveName])
	if err != nil || drive.Complete || len(drive.Files) > 0 || len(all) != len(segmentFiles(t, f.drive))+2 {
		t.Errorf("drive.json %+v, %v, beside %d files", drive, err, len(all))
	}
	known := 0
	unfinished := false
	for _, segs := range f.replay(t).Segments {
		for _, s := range segs {
			known++
			if size := int64(len(all[segmentName(s, false)])); size != s.Size {
				t.Errorf("%s has %d bytes, the journal says %d", segmentName(s, false), size, s.Size)
			}
			unfinished = unfinished || s.Unfinished != nil && s.Unfinished.Digest == d.Digest
		}
	}
	if known != len(segmentFiles(t, f.drive)) || !unfinished {
		t.Errorf("the journal has %d segments, %s in the middle: %v; the drive has %d", known, d.Digest, unfinished, len(segmentFiles(t, f.drive)))
	}
}

// TestSourceComesBack breaks every reading after a while: one Put reopens it.
func TestSourceComesBack(t *testing.T) {
	t.Parallel() // it waits between tries
	f, large := newLarge(t, MinSegmentSize, 2)
	reopened := 0
	src := oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := f.content.Open(ctx, d, off)
		reopened++
		if off > 3<<20 {
			return rc, err
		}
		return io.NopCloser(io.MultiReader(io.LimitReader(rc, 2<<20), failing{})), err
	})
	w := f.writer(t)
	if err := w.Put(t.Context(), large, src); err != nil || !has(t, w, large) {
		t.Fatal(err)
	}
	if reopened < 2 {
		t.Errorf("opened %d times", reopened)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errLink }

// TestCancelled stops pack while a blob is read: all that was read counts.
func TestCancelled(t *testing.T) {
	t.Parallel() // it waits between tries
	f, large := newLarge(t, MinSegmentSize, 2)
	ctx, cancel := context.WithCancel(t.Context())
	src := newWeak(f.content, "", 0)
	stop := oci.SourceFunc(func(c context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := src.Open(c, d, off)
		return &countdown{ReadCloser: rc, left: 4 << 20, end: cancel}, err
	})
	w := f.writer(t)
	if err := w.Put(ctx, large, stop); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = f.writer(t)
	held, err := w.Unfinished()
	if lost := src.read[large.Digest] - held[large.Digest]; err != nil || lost < 0 || lost >= readChunk {
		t.Errorf("%d bytes were read, %d are kept; %v", src.read[large.Digest], held[large.Digest], err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}

// countdown calls end once enough bytes were read.
type countdown struct {
	io.ReadCloser
	left int64
	end  func()
}

func (c *countdown) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left <= 0 {
		c.end()
	}
	return n, err
}

// TestSlowLink closes segments in the middle of a blob because they grow old.
func TestSlowLink(t *testing.T) {
	f, large := newLarge(t, DefaultSegmentSize, 1)
	w := f.writer(t)
	w.maxAge = 0
	if err := w.Put(t.Context(), large, f.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(segmentFiles(t, f.drive)); n < int(large.Size/readChunk) {
		t.Errorf("%d segments", n)
	}
	f.finish(t)
}

// TestWrongBlob gives a large blob whose very last byte is wrong.
func TestWrongBlob(t *testing.T) {
	for name, at := range map[string]int64{"last byte": -1, "first byte": 0} {
		t.Run(name, func(t *testing.T) {
			f, large := newLarge(t, MinSegmentSize, 1)
			src := newWeak(f.content, large.Digest, (at+large.Size)%large.Size)
			src.lie = true
			w := f.writer(t)
			small := f.graph.Blobs[slices.IndexFunc(f.graph.Blobs, func(n oci.Node) bool { return n.Descriptor.Size < 1<<20 })].Descriptor
			if err := w.Put(t.Context(), small, src); err != nil {
				t.Fatal(err)
			}
			err := w.Put(t.Context(), large, src)
			var lie *oci.DigestError
			if !errors.As(err, &lie) || lie.Want.Digest != large.Digest {
				t.Fatalf("Put: %v", err)
			}
			if held, err := w.Unfinished(); len(held) > 0 || err != nil || has(t, w, large) || !has(t, w, small) {
				t.Errorf("unfinished %v, %v", held, err)
			}
			if got := segmentFiles(t, f.drive); len(got) != 1 {
				t.Errorf("segments that remain: %v", got)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			f.finish(t)
		})
	}
}

// TestWrongBlobTakesGoodOnesAlong has good blobs share a segment with a wrong
// one, open or durable: they are asked for again.
func TestWrongBlobTakesGoodOnesAlong(t *testing.T) {
	t.Parallel() // it waits between tries
	for _, durable := range []bool{false, true} {
		f, large := newLarge(t, DefaultSegmentSize, 1)
		src := newWeak(f.content, large.Digest, large.Size/2)
		w := f.writer(t)
		var before []oci.Descriptor
		for _, n := range f.graph.Blobs {
			if n.Descriptor.Digest != large.Digest {
				before = append(before, n.Descriptor)
				if err := w.Put(t.Context(), n.Descriptor, src); err != nil {
					t.Fatal(err)
				}
			}
		}
		if durable {
			if err := w.Put(t.Context(), large, src); !errors.Is(err, errLink) {
				t.Fatal(err)
			}
		}
		src.lie, src.until = true, large.Size-1
		var lie *oci.DigestError
		if err := w.Put(t.Context(), large, src); !errors.As(err, &lie) {
			t.Fatalf("Put: %v", err)
		}
		for _, d := range append(before, large) {
			if has(t, w, d) {
				t.Errorf("durable %v: %s counts as held", durable, d.Digest)
			}
		}
		if got := segmentFiles(t, f.drive); len(got) > 0 {
			t.Errorf("durable %v: segments that remain: %v", durable, got)
		}
		if err := f.fill(t.Context(), w, f.content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f.finish(t)
	}
}

// TestWrongBlobAfterALongOne has the wrong blob begin in the segment in which a
// good long one ends: the long one is unfinished again, and only its end is read again.
func TestWrongBlobAfterALongOne(t *testing.T) {
	f, long := newLarge(t, 8<<20, 1)
	wrong := f.content.Layer(5<<20, ocitest.LayerGzip)
	f.add(t, "wrong", f.content.Image(false, wrong))
	src := newWeak(f.content, wrong.Digest, 5<<20-1)
	src.lie = true
	w := f.writer(t)
	if err := w.Put(t.Context(), long, src); err != nil {
		t.Fatal(err)
	}
	var lie *oci.DigestError
	if err := w.Put(t.Context(), wrong, src); !errors.As(err, &lie) {
		t.Fatalf("Put: %v", err)
	}
	held, err := w.Unfinished()
	if from := held[long.Digest]; err != nil || len(held) != 1 || from < 4<<20 || has(t, w, long) {
		t.Errorf("unfinished %v, %v", held, err)
	}
	src.offsets(long.Digest)
	if err := w.Put(t.Context(), long, src); err != nil {
		t.Fatal(err)
	}
	if got := src.offsets(long.Digest); !slices.Equal(got, []int64{held[long.Digest]}) {
		t.Errorf("asked for %v, want %d", got, held[long.Digest])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}

// TestWrongSmallBlob is verified before it takes a lane.
func TestWrongSmallBlob(t *testing.T) {
	f := newSmall(t, false)
	d := f.graph.Blobs[0].Descriptor
	src := newWeak(f.content, d.Digest, d.Size-1)
	src.lie = true
	w := f.writer(t)
	var lie *oci.DigestError
	if err := w.Put(t.Context(), d, src); !errors.As(err, &lie) || has(t, w, d) {
		t.Errorf("Put: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := segmentFiles(t, f.drive); len(got) > 0 {
		t.Errorf("segments %v", got)
	}
	f.finish(t)
}

// TestWrongSize puts one digest with two sizes.
func TestWrongSize(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	d := f.graph.Blobs[0].Descriptor
	if err := w.Put(t.Context(), d, f.content); err != nil {
		t.Fatal(err)
	}
	d.Size++
	var unsupported *oci.UnsupportedError
	if err := w.Put(t.Context(), d, f.content); !errors.As(err, &unsupported) {
		t.Errorf("%v", err)
	}
	for _, bad := range []oci.Descriptor{{Digest: "sha256:xyz"}, {Digest: digest.SHA512.FromString("x"), Size: 1}, {Digest: d.Digest, Size: -1}} {
		if err := w.Put(t.Context(), bad, f.content); !errors.As(err, &unsupported) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
