package bundle

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// watched is a source that calls look between any two reads: with one blob at a
// time, nothing is written to drive or journal meanwhile.
type watched struct {
	oci.Source
	look func()
}

func (s watched) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	rc, err := s.Source.Open(ctx, d, off)
	return watchedReader{rc, s.look}, err
}

type watchedReader struct {
	io.ReadCloser
	look func()
}

func (r watchedReader) Read(p []byte) (int, error) {
	r.look()
	return r.ReadCloser.Read(p)
}

// moments packs the fixture with one lane, and gives copies of drive and state
// at every moment at which a name or the journal had changed.
func (f *fixture) moments(t *testing.T) []*fixture {
	t.Helper()
	f.job.Lanes = 1
	var list []*fixture
	var last string
	w := f.writer(t)
	w.maxAge = 0 // many segments
	look := func() {
		entries, err := os.ReadDir(f.drive)
		if err != nil {
			t.Fatal(err)
		}
		now := strings.Join(journalLines(t, f), "")
		for _, e := range entries {
			now += e.Name() + "\n"
		}
		if now != last {
			last = now
			list = append(list, f.clone(t))
		}
	}
	if err := f.fill(t.Context(), w, watched{f.content, look}); err != nil {
		t.Fatal(err)
	}
	look()
	if _, err := w.Seal(stopAfter{t.Context(), new(int), 1}, f.inv); !errors.Is(err, context.Canceled) {
		t.Fatalf("Seal: %v", err)
	}
	look()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	look()
	return list
}

// stopAfter is a context that is cancelled once it was asked a number of times.
type stopAfter struct {
	//lint:ignore containedctx it is a context itself
	context.Context
	asked *int
	good  int
}

func (c stopAfter) Err() error {
	if *c.asked++; *c.asked > c.good {
		return context.Canceled
	}
	return nil
}

// TestCrashAnywhere resumes from every moment of a pack: as it was, with the
// last record lost after its file was renamed, and with a torn last record.
func TestCrashAnywhere(t *testing.T) {
	f := newSmall(t, false)
	rnd := rand.New(rand.NewPCG(5, 1))
	moments := f.moments(t)
	if len(moments) < 10 {
		t.Fatalf("only %d moments", len(moments))
	}
	if !soak() {
		rnd.Shuffle(len(moments), func(i, j int) { moments[i], moments[j] = moments[j], moments[i] })
		moments = moments[:8]
	}
	for _, m := range moments {
		lines := journalLines(t, m)
		if last := lines[len(lines)-1]; strings.HasPrefix(last, `{"segment"`) {
			lost := m.clone(t)
			cutJournal(t, lost, 1)
			lost.finish(t)
			torn := m.clone(t)
			cutJournal(t, torn, 1)
			appendTo(t, torn.journal(t), last[:1+rnd.IntN(len(last)-1)])
			torn.away(t)
			torn.finish(t)
		}
		m.finish(t)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(body, text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCrashWhileSealing takes away, one after another, the last files that Seal
// writes, as a crash between any two of them would.
func TestCrashWhileSealing(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	cutJournal(t, f, 1) // "sealed"
	order := []string{
		seal.BundleName, "copy/bundle.json", "copy/key-1.age", "copy/drive.json", "copy/extras.json", "copy/index.age",
		seal.SumsName, seal.ReadmeName, seal.ExtrasName, "copy", seal.IndexName,
	}
	for _, name := range order {
		if err := os.Remove(filepath.Join(f.drive, name)); err != nil {
			t.Fatal(err)
		}
		for _, temp := range []bool{false, true} {
			c := f.clone(t)
			if temp && name != "copy" {
				write(t, c.drive, map[string][]byte{name + ".tmp": []byte("half of i")})
			}
			c.finish(t)
			for left := range files(t, c.drive) {
				if strings.HasSuffix(left, ".tmp") {
					t.Errorf("after a crash before %s: %s stays", name, left)
				}
			}
		}
	}
}

// TestLayoutFilesStandOnce fills the closing lane so that index.json ends a
// segment and oci-layout begins the next, and has Seal stop before the index.
func TestLayoutFilesStandOnce(t *testing.T) {
	f := newSmall(t, false)
	w := f.writer(t)
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	list, err := layoutIndex(f.inv)
	if err != nil {
		t.Fatal(err)
	}
	closing := w.last().lanes[f.job.Lanes]
	plain := closing.seg.frames.MaxSize(int64(len(list)) + 2*tarBlock)
	closing.seg.limit = closing.seg.head + plain + ageTag*(plain/ageChunk+1) // index.json fits to the byte
	if _, err := w.Seal(stopAfter{t.Context(), new(int), 1}, f.inv); !errors.Is(err, context.Canceled) {
		t.Fatalf("Seal: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
	var stream []byte
	for _, name := range segmentFiles(t, f.drive) {
		body, _ := content(t, name, decrypt(t, f, name))
		stream = append(stream, body...)
	}
	checkStream(t, f, stream, nil)
}

// TestDropIsJournalledFirst crashes between the record of a drop and the deletion.
func TestDropIsJournalledFirst(t *testing.T) {
	f, large := newLarge(t, MinSegmentSize, 1)
	w := f.writer(t)
	if err := w.Put(t.Context(), large, f.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j, st, err := journal.Open(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	drop := journal.Drop{Lane: 0}
	for _, s := range st.Segments[0] {
		drop.Numbers = append(drop.Numbers, s.Number)
	}
	if err := errors.Join(j.Append(journal.Record{Drop: &drop}), j.Close()); err != nil {
		t.Fatal(err)
	}
	old := segmentFiles(t, f.drive)
	w = f.writer(t)
	if got := segmentFiles(t, f.drive); len(got) > 0 || len(old) < 9 {
		t.Errorf("dropped segments that remain: %v of %v", got, old)
	}
	if has(t, w, large) {
		t.Error("a dropped blob counts as held")
	}
	if err := f.fill(t.Context(), w, f.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range segmentFiles(t, f.drive) {
		if slices.Contains(old, name) {
			t.Errorf("the number of %s is used again", name)
		}
	}
	f.finish(t)
}
