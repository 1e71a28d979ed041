package bundle

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// cuts are where a journal may end after a loss of power: at each border of records, before each
// end of a line, and within the last record.
func cuts(body []byte) (list []int) {
	last := bytes.LastIndexByte(body[:len(body)-1], '\n') + 1
	each := max(1, (len(body)-last)/4)
	if soak() {
		each = 1
	}
	for at := last; at < len(body); at += each {
		list = append(list, at)
	}
	for at := range last {
		if body[at] == '\n' && (soak() || at%3 == 0) {
			list = append(list, at, at+1)
		}
	}
	return list
}

// tails are what file systems leave behind the last byte that was synced.
func tails() []string {
	return []string{"", strings.Repeat("\x00", 700), "\x93" + strings.Repeat("\n\x81", 300), strings.Repeat("\x00", 100) + "\n"}
}

// TestTornJournal cuts the journal of an unfinished bundle anywhere in its last record, and where others
// end, with what may stand behind that: the next run makes a whole bundle of it, or finds none begun.
func TestTornJournal(t *testing.T) {
	t.Parallel()
	f := newTiny(t)
	if _, err := MakeDir(f.drive); err != nil {
		t.Fatal(err)
	}
	if err := f.broken(t); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range cuts(body) {
		for k, tail := range tails() {
			if !soak() && k != i%len(tails()) {
				continue
			}
			c := f.clone(t)
			torn(t, c.journal(t), body[:at], tail)
			if i%3 == 0 && bytes.Contains(body[:at], []byte(`"mount":"`)) {
				c.away(t)
			}
			if err := c.packInChunks(t); err != nil {
				if at <= bytes.IndexByte(body, '\n') && isA[*RefusedError](err) {
					continue // nothing of the journal is left: it was never written so
				}
				t.Fatalf("cut at %d of %d, tail %.10q: %v", at, len(body), tail, err)
			}
			c.check(t)
		}
	}
}

// torn leaves the beginning of a journal, and something behind it.
func torn(t *testing.T, name string, begin []byte, tail string) {
	t.Helper()
	if err := os.WriteFile(name, append(bytes.Clone(begin), tail...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newPowerShelf is a set of 1 MiB for three drives, with parity across them.
func newPowerShelf(t *testing.T) (s *shelf, n int) {
	t.Helper()
	c := ocitest.New(37)
	roots := map[string]oci.Descriptor{}
	for i := range 3 {
		roots[fmt.Sprint("app", i)] = c.Image(i%2 == 0, c.Layer((300+20*i)<<10, ocitest.LayerGzip))
	}
	s = &shelf{fixture: newFixtureOf(t, c, roots, MinSegmentSize, false), room: Room{More: Capacity{Free: 2000 << 10, Cluster: 4096}}}
	s.job.Lanes, s.job.Mounted, s.job.Parity = 1, MaxDrives, ParityRatio{Parity: 1, Data: 1}
	if n = len(s.spread(t).Drives); n < 3 {
		t.Fatalf("%d drives", n)
	}
	return s, n
}

// TestTornJournalOfDrives does the same while the second of three drives is written.
func TestTornJournalOfDrives(t *testing.T) {
	t.Parallel()
	s, n := newPowerShelf(t)
	begun := func(name string) string { return s.drive + name }
	on := s.shelfOn(begun, n)
	for _, dir := range append(on.places, on.state) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := on.open(t, on.places)
	for _, err := range []error{on.fillDrive(t.Context(), t, w, 1), w.Put(t.Context(), on.on(t, w, 2)[0].Descriptor, s.content), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	body, err := os.ReadFile(on.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range cuts(body) {
		if at <= bytes.IndexByte(body, '\n') || !soak() && i%3 > 0 {
			continue
		}
		root := t.TempDir()
		again := s.shelfOn(func(name string) string { return root + "/" + name }, n)
		for k, dir := range append(again.places, again.state) {
			write(t, dir, files(t, append(on.places, on.state)[k]))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		torn(t, again.journal(t), body[:at], tails()[i%len(tails())])
		if err := again.packDrives(t); err != nil {
			t.Fatalf("cut at %d of %d: %v", at, len(body), err)
		}
		if _, err := Verify(t.Context(), again.places, VerifyOptions{}); err != nil {
			t.Fatal(err)
		}
		mustRead(t, again)
	}
}
