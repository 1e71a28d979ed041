package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// shelf is a fixture that is spread over drives, each with a directory.
type shelf struct {
	*fixture
	places []string
	room   Room
}

// newShelf is a set of about 10 MiB for drives of 5 MiB.
func newShelf(t testing.TB, size int64) *shelf {
	t.Helper()
	c := ocitest.New(23)
	roots := map[string]oci.Descriptor{}
	for i := range 5 {
		roots[fmt.Sprint("app", i)] = c.Image(i%2 == 0, c.Layer((1500+300*i)<<10, ocitest.LayerGzip), c.Layer((40+i)<<10, ocitest.LayerGzip))
	}
	f := newFixtureOf(t, c, roots, MinSegmentSize, false)
	f.job.Lanes = 2
	s := &shelf{fixture: f, room: Room{More: Capacity{Free: size, Cluster: 4096}}}
	dir := t.TempDir()
	for i := range 9 {
		s.places = append(s.places, filepath.Join(dir, fmt.Sprint("drive-", i+1)))
		if err := os.Mkdir(s.places[i], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// spread decides what goes where, once.
func (s *shelf) spread(t testing.TB) *Spread {
	t.Helper()
	if s.job.Spread == nil {
		var err error
		if s.job.Spread, err = s.job.SpreadOver(s.inv, s.graph, s.everything(t), s.room); err != nil {
			t.Fatal(err)
		}
	}
	return s.job.Spread
}

// open resumes the bundle with the drives that are in places, or begins it.
func (s *shelf) open(t testing.TB, places []string) *Writer {
	t.Helper()
	w, err := ResumeOn(t.Context(), places, s.state, s.job, nil)
	if err == nil && w == nil {
		s.spread(t)
		w, err = CreateOn(places, s.state, s.job, s.inv)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// on gives the blobs of one drive that are not written yet, those that were begun first.
func (s *shelf) on(t testing.TB, w *Writer, drive int) (list []oci.Node) {
	t.Helper()
	begun, err := w.Unfinished()
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []bool{true, false} {
		for _, n := range s.graph.Blobs {
			if _, ok := begun[n.Descriptor.Digest]; ok == first && w.DriveOf(n.Descriptor) == drive && !has(t, w, n.Descriptor) {
				list = append(list, n)
			}
		}
	}
	return list
}

// fillDrive writes what goes on one drive and finishes it, unless it is the last one.
func (s *shelf) fillDrive(ctx context.Context, t testing.TB, w *Writer, drive int) error {
	t.Helper()
	for _, n := range s.on(t, w, drive) {
		if err := w.Put(ctx, n.Descriptor, s.content); err != nil {
			return err
		}
	}
	if drive == len(w.Drives()) {
		return nil
	}
	if err := w.SealDrive(ctx, drive); err != nil {
		return err
	}
	if err := w.ReadDrive(ctx, drive, nil); err != nil {
		return err
	}
	return w.ReleaseDrive(drive)
}

// end writes the manifests and seals.
func (s *shelf) end(t testing.TB, w *Writer) Fingerprint {
	t.Helper()
	for _, n := range s.graph.Manifests {
		if err := w.Put(t.Context(), n.Descriptor, s.content); err != nil {
			t.Fatal(err)
		}
	}
	fp, err := w.Seal(t.Context(), s.inv)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return fp
}

// sealed checks what stands on the drives: all as the seals say.
func (s *shelf) sealed(t testing.TB, fp Fingerprint, n int) {
	t.Helper()
	last := files(t, s.places[n-1])
	if seal.Sum(last[seal.BundleName]) != string(fp) {
		t.Errorf("bundle.json is not of %s", fp)
	}
	b, err := seal.ParseBundle(last[seal.BundleName])
	if err != nil || len(b.Drives) != n {
		t.Fatalf("%+v, %v", b, err)
	}
	lanes := map[string]bool{}
	for i, sum := range b.Drives {
		on := files(t, s.places[i])
		d, err := seal.ParseDrive(on[seal.DriveName])
		if err != nil || seal.Sum(on[seal.DriveName]) != sum.SHA256 || !d.Complete || d.Of != n || d.Label != seal.Label(b.Bundle, i+1) {
			t.Fatalf("drive %d: %+v, %v", i+1, d, err)
		}
		e, err := seal.ParseExtras(on[seal.ExtrasName])
		if err != nil || (e.Seal == "") != (i+1 < n) || e.Drive != "" && e.Drive != sum.SHA256 {
			t.Errorf("drive %d: %+v, %v", i+1, e, err)
		}
		for _, f := range d.Files {
			if seal.FileOf(f.Name, on[f.Name]) != f || lanes[f.Name] {
				t.Errorf("%s of drive %d", f.Name, i+1)
			}
			lanes[f.Name] = true
		}
		if len(segmentFiles(t, s.places[i])) != len(d.Files) || len(d.Files) == 0 {
			t.Errorf("drive %d has %v", i+1, segmentFiles(t, s.places[i]))
		}
		if !strings.Contains(string(on[seal.ReadmeName]), fmt.Sprintf("drive %d of %d", i+1, n)) {
			t.Errorf("drive %d: %s", i+1, on[seal.ReadmeName])
		}
		need(t, "sha256sum")
		run(t, s.places[i], "sha256sum", "--quiet", "-c", seal.SumsName)
		s.asPlanned(t, i)
	}
	for _, place := range s.places[n:] {
		if all := files(t, place); len(all) > 0 {
			t.Errorf("%s has %d files", place, len(all))
		}
	}
}

// asPlanned compares a drive with what was forecast: within 1%, and never more than it has.
func (s *shelf) asPlanned(t testing.TB, i int) {
	t.Helper()
	var have, onDrive int64
	for _, body := range files(t, s.places[i]) {
		have += int64(len(body))
		onDrive += roundUp(int64(len(body)), 4096)
	}
	want := s.job.Spread.Forecast.On(i + 1)
	if off := float64(want.Bytes-have) / float64(have); off > 0.01 || off < -0.01 {
		t.Errorf("drive %d has %d bytes, forecast %d (%+.2f%%)", i+1, have, want.Bytes, off*100)
	}
	if free := s.room.of(i + 1)[i].Free; onDrive > free || s.job.Spread.Drives[i].Need > free {
		t.Errorf("drive %d takes %d, %d were said, of %d", i+1, onDrive, s.job.Spread.Drives[i].Need, free)
	}
}

// TestSeveralDrives writes all drives at once, and one after another in one place.
func TestSeveralDrives(t *testing.T) {
	t.Parallel()
	for name, together := range map[string]bool{"together": true, "in turn": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, 5<<20)
			n := len(s.spread(t).Drives)
			if n < 3 {
				t.Fatalf("%d drives", n)
			}
			hand := s.places[:n]
			if !together {
				hand = s.places[:1]
			}
			w := s.open(t, hand)
			for k := 1; k <= n; k++ {
				if !together && k > 1 {
					if err := w.Attach(t.Context(), k, s.places[k-1], nil); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.fillDrive(t.Context(), t, w, k); err != nil {
					t.Fatal(err)
				}
			}
			fp := s.end(t, w)
			s.sealed(t, fp, n)
			var done *SealedError
			if _, err := ResumeOn(t.Context(), s.places[:n], s.state, s.job, nil); !errors.As(err, &done) || done.Fingerprint != fp {
				t.Errorf("packing again: %v", err)
			}
		})
	}
}
