package bundle

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/oci"
)

// TestNumber seals a bundle of a stream in a run that resumes: the number that was noted
// before stands in the seal, and everything that reads seals shows it.
func TestNumber(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.job.Stream, f.job.Partial = "weekly", true
	stream := Stream{Ledger: strings.Repeat("3c", 16), Name: "weekly"}
	w := f.writer(t)
	if s, n := w.Number(); n != 0 || s != (Stream{}) {
		t.Errorf("it begins as bundle %d of %s", n, s)
	}
	for _, bad := range []error{w.SetNumber(Stream{Name: "weekly"}, 1), w.SetNumber(stream, 0), w.SetNumber(stream, 1<<31)} {
		if bad == nil {
			t.Error("a number of nothing was taken")
		}
	}
	if err := errors.Join(w.SetNumber(stream, 7), w.SetNumber(stream, 7), w.Close()); err != nil {
		t.Fatal(err)
	}
	w = f.writer(t)
	if s, n := w.Number(); n != 7 || s != stream {
		t.Errorf("resumed as bundle %d of %s", n, s)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	fp := f.pack(t)
	f.check(t)
	r, err := Open(context.Background(), []string{f.drive}, Wanted{}, f.identity)
	if err != nil {
		t.Fatal(err)
	}
	if r.Stream() != stream || r.Sequence() != 7 || !r.Partial() {
		t.Errorf("the reader has bundle %d of %s", r.Sequence(), r.Stream())
	}
	list, _, err := List(f.drive, "")
	if err = errors.Join(err, r.Close()); err != nil || len(list) != 1 || list[0].Stream != stream || list[0].Sequence != 7 {
		t.Errorf("listed: %+v, %v", list, err)
	}
	rep, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{})
	if err != nil || rep.Stream != stream || rep.Sequence != 7 {
		t.Errorf("verified: %+v, %v", rep, err)
	}
	var done *SealedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || done.Stream != stream || done.Sequence != 7 || !done.Partial || done.Fingerprint != fp {
		t.Errorf("found finished: %+v, %v", done, err)
	}
	if s, ok := SealOf(f.state, done.Bundle); !ok || !s.Partial {
		t.Errorf("by the journal: %+v, %v", s, ok)
	}
}

// TestStreamIsOfTheJob keeps streams of one configuration apart. What version 1 of the
// journal began is of any.
func TestStreamIsOfTheJob(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.job.Stream = "north"
	if err := f.writer(t).Close(); err != nil {
		t.Fatal(err)
	}
	south := f.job
	south.Stream = "south"
	var refused *RefusedError
	if _, err := Resume(t.Context(), f.drive, f.state, south, nil); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "for the stream north") || !refused.beside {
		t.Errorf("another stream: %v", err)
	}
	older(t, f.journal(t))
	w, err := Resume(t.Context(), f.drive, f.state, south, nil)
	if err != nil || w == nil {
		t.Fatalf("of the version before: %v", err)
	}
	err = w.SetNumber(Stream{Ledger: strings.Repeat("1", 32), Name: "south"}, 1)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	f.job = south
	f.pack(t)
	f.check(t)
}

// older makes a journal one of version 1.
func older(t *testing.T, path string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(body), `"version":2`, `"version":1`, 1)
	if err := os.WriteFile(path, []byte(strings.Replace(text, `"stream":"north",`, "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNewerJournal has everything that would change an unfinished bundle stop before the
// journal of a newer satchel, and a finished one in nobody's way.
func TestNewerJournal(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	w := f.writer(t)
	if err := errors.Join(f.fill(context.Background(), w, f.content), w.Close()); err != nil {
		t.Fatal(err)
	}
	sealed := f.clone(t)
	sealed.pack(t)
	newer := func(f *fixture) {
		j, err := os.OpenFile(f.journal(t), os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = j.WriteString("{\"version\":9}\n{\"parity\":{}}\n")
		}
		if err = errors.Join(err, j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	newer(f)
	newer(sealed)
	drive, state := files(t, f.drive), files(t, f.state)
	_, resumed := Resume(t.Context(), f.drive, f.state, f.job, nil)
	_, held := HoldBundle(f.drive, f.state, "")
	for what, err := range map[string]error{"Resume": resumed, "HoldBundle": held, "Restart": Restart(f.drive, f.state, f.job)} {
		var version *oci.VersionError
		if !errors.As(err, &version) || version.Has != "journal/9" {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, f.drive, drive)
	same(t, f.state, state)
	var refused *RefusedError
	if _, err := Resume(t.Context(), sealed.drive, sealed.state, f.job, nil); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "by a newer satchel") || !refused.beside {
		t.Errorf("a finished one: %v", err)
	}
}

// TestForeseen counts the stream in the size of the bundle.
func TestForeseen(t *testing.T) {
	t.Parallel()
	if n := foreseen(journal.Begin{}); n != (journal.Number{}) {
		t.Errorf("without a stream: %+v", n)
	}
	if s, n := numberOf(foreseen(journal.Begin{Stream: "weekly"})); s.Check() != nil || n < 1 {
		t.Errorf("bundle %d of %s", n, s)
	}
}
