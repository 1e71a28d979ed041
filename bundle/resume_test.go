package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

// begun is a small fixture whose bundle was begun and left.
func begun(t testing.TB) *fixture {
	t.Helper()
	f := newSmall(t, false)
	w := f.writer(t)
	if err := w.Put(t.Context(), f.graph.Blobs[0].Descriptor, f.content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// refusals is every reason for which pack does not write into a directory.
var refusals = map[string]struct {
	sealed bool
	change func(t *testing.T, f *fixture)
	why    string
}{
	"another configuration": {false, func(_ *testing.T, f *fixture) { f.job.Config = digest.FromString("another") },
		"an unfinished bundle that was started with another configuration"},
	"other recipients": {false, func(t *testing.T, f *fixture) { _, f.job.Recipients = newKey(t, false) },
		"an unfinished bundle that was started for other recipients"},
	"one more recipient": {false, func(t *testing.T, f *fixture) {
		_, more := newKey(t, false)
		f.job.Recipients = append(more, f.job.Recipients...)
	}, "an unfinished bundle that was started for other recipients"},
	"another segment size": {false, func(_ *testing.T, f *fixture) { f.job.SegmentSize++ }, "started with segments of 1MiB"},
	"other lanes":          {false, func(_ *testing.T, f *fixture) { f.job.Lanes++ }, "started with another number of lanes, 2"},
	"journal gone": {false, func(t *testing.T, f *fixture) { f.state = t.TempDir() },
		"an unfinished bundle that was started on another host, or its state on this host was deleted"},
	"sealed, journal gone": {true, func(t *testing.T, f *fixture) { f.state = t.TempDir() },
		"a finished bundle that was packed on another host, or its state on this host was deleted"},
	"sealed, another configuration": {true, func(_ *testing.T, f *fixture) { f.job.Config = digest.FromString("another") },
		"a finished bundle that was packed with another configuration"},
	"sealed, both seals damaged": {true, func(t *testing.T, f *fixture) {
		write(t, f.drive, map[string][]byte{seal.DriveName: []byte("{}\n"), seal.BundleName: []byte("{}\n")})
	}, "its drive.json is not one of satchel's, or is damaged"},
	"drive.json damaged": {false, func(t *testing.T, f *fixture) {
		f.state = t.TempDir() // the journal would know
		write(t, f.drive, map[string][]byte{seal.DriveName: []byte("{}\n")})
	}, "its drive.json is not one of satchel's, or is damaged"},
	"someone's files": {false, func(t *testing.T, f *fixture) {
		f.drive = t.TempDir()
		write(t, f.drive, map[string][]byte{"holiday.jpg": {1}})
	}, "other files (holiday.jpg) and no bundle"},
	"segments without drive.json": {false, func(t *testing.T, f *fixture) {
		f.state = t.TempDir()
		if err := os.Remove(filepath.Join(f.drive, seal.DriveName)); err != nil {
			t.Fatal(err)
		}
	}, "and no bundle"},
	"two bundles of others": {false, func(t *testing.T, f *fixture) {
		body := files(t, f.drive)
		f.drive = t.TempDir()
		write(t, filepath.Join(f.drive, "satchel-a"), body)
		write(t, filepath.Join(f.drive, "satchel-b"), body)
		f.job.Lanes++
	}, "satchel-b: it holds an unfinished bundle"},
}

func TestRefusals(t *testing.T) {
	for name, c := range refusals {
		t.Run(name, func(t *testing.T) {
			f := begun(t)
			if c.sealed {
				f.pack(t)
			}
			c.change(t, f)
			drive, state := files(t, f.drive), files(t, f.state)
			w, err := Resume(t.Context(), f.drive, f.state, f.job, nil)
			var refused *RefusedError
			if w != nil || !errors.As(err, &refused) || !strings.Contains(err.Error(), c.why) || refused.Hint() == "" {
				t.Fatalf("%v", err)
			}
			same(t, f.drive, drive)
			same(t, f.state, state)
		})
	}
}

// TestRefusedWhileWriting has a second writer come to a bundle that one writes.
func TestRefusedWhileWriting(t *testing.T) {
	f := begun(t)
	w := f.writer(t)
	var refused *RefusedError
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "another satchel is writing") {
		t.Errorf("Resume: %v", err)
	}
	before := files(t, f.drive)
	if err := Restart(f.drive, f.state, f.job); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "another satchel is writing") {
		t.Errorf("Restart: %v", err)
	}
	same(t, f.drive, before)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
}

func TestSealedAlready(t *testing.T) {
	f := newSmall(t, false)
	finger := f.pack(t)
	before := files(t, f.drive)
	var done *SealedError
	w, err := Resume(t.Context(), f.drive, f.state, f.job, nil)
	if w != nil || !errors.As(err, &done) || done.Fingerprint != finger || done.Dir != f.drive {
		t.Errorf("%v, %+v; want the fingerprint %s", err, done, finger)
	}
	// A crash after the seal and before the journal knew of it changes nothing.
	cutJournal(t, f, 1)
	if _, err := Resume(t.Context(), f.drive, f.state, f.job, nil); !errors.As(err, &done) || done.Fingerprint != finger {
		t.Errorf("without the last record: %v", err)
	}
	same(t, f.drive, before)
}

// TestVerifiedIsRemembered across runs, and for that very seal alone.
func TestVerifiedIsRemembered(t *testing.T) {
	f := newSmall(t, false)
	finger := f.pack(t)
	var done *SealedError
	again := func() error {
		_, err := Resume(t.Context(), f.drive, f.state, f.job, nil)
		return err
	}
	if err := again(); !errors.As(err, &done) || done.Verified {
		t.Errorf("not verified yet: %+v, %v", done, err)
	}
	f.mark(t, journal.Record{Verified: &journal.Verified{Fingerprint: string(finger)}})
	if err := again(); !errors.As(err, &done) || !done.Verified {
		t.Errorf("verified: %+v, %v", done, err)
	}
	whole := files(t, f.drive)[seal.BundleName]
	var damage *DamageError
	for at := range whole { // the ID too
		body := bytes.Clone(whole)
		body[at] ^= 1
		write(t, f.drive, map[string][]byte{seal.BundleName: body})
		if err := again(); !errors.As(err, &damage) || damage.Faults[0].File != seal.BundleName {
			t.Errorf("byte %d of the seal: %v", at, err)
		}
	}
}

// TestBegunMeanwhile has two runs find an empty directory: the second one's Create is refused.
func TestBegunMeanwhile(t *testing.T) {
	f := begun(t)
	before := files(t, f.drive)
	var refused *RefusedError
	if _, err := Create(f.drive, t.TempDir(), f.job, f.inv); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	same(t, f.drive, before)
}

// cutJournal takes the last n records away.
func cutJournal(t testing.TB, f *fixture, n int) {
	t.Helper()
	lines := journalLines(t, f)
	if err := os.WriteFile(f.journal(t), []byte(strings.Join(lines[:len(lines)-n], "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func journalLines(t testing.TB, f *fixture) []string {
	t.Helper()
	body, err := os.ReadFile(f.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(body), "\n")
	return lines[:len(lines)-1]
}

// TestTakenDirectories are those in which a bundle can begin.
func TestTakenDirectories(t *testing.T) {
	for name, with := range map[string]map[string][]byte{
		"empty":            {},
		"what systems put": {"System Volume Information/x": {1}, "lost+found/y": {1}, ".Trash-1000/z": {1}, ".DS_Store": {1}, "._x": {1}, "thumbs.db": {1}, "Desktop.ini": {1}},
		"a crash's start":  {"drive.json.tmp": {1}, "key-1.age.tmp": {1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newSmall(t, false)
			if err := os.Mkdir(f.drive, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, f.drive, with)
			f.finish(t)
		})
	}
}

// TestRestart deletes what is unfinished and the bundle's, and nothing else.
func TestRestart(t *testing.T) {
	foreign := map[string][]byte{"holiday.jpg": {1}, "copy/mine": {2}, "s-1.age": {3}, "sub/s-00-00001.age": {4}, "other.tmp": {5}}
	crash := map[string][]byte{"s-00-00009.age.tmp": {1}, "copy/index.age": {2}, "copy/drive.json.tmp": {2}, "index.age": {3}, "key-7.age": {4}}
	for name, lost := range map[string]bool{"journal here": false, "journal gone": true} {
		t.Run(name, func(t *testing.T) {
			f := begun(t)
			if lost {
				f.state = t.TempDir()
			}
			write(t, f.drive, foreign)
			write(t, f.drive, crash)
			if err := Restart(f.drive, f.state, f.job); err != nil {
				t.Fatal(err)
			}
			same(t, f.drive, foreign)
			same(t, f.state, nil)
		})
	}
	t.Run("in a directory of its own", func(t *testing.T) {
		f := begun(t)
		top := t.TempDir()
		if err := os.Rename(f.drive, filepath.Join(top, "satchel-x")); err != nil {
			t.Fatal(err)
		}
		write(t, top, foreign)
		if err := Restart(top, f.state, f.job); err != nil {
			t.Fatal(err)
		}
		same(t, top, foreign)
		if _, err := os.Stat(filepath.Join(top, "satchel-x")); !os.IsNotExist(err) {
			t.Errorf("the empty directory stays: %v", err)
		}
	})
	t.Run("another begins", func(t *testing.T) {
		f := begun(t)
		if err := Restart(f.drive, f.state, f.job); err != nil {
			t.Fatal(err)
		}
		f.job.Lanes = 4
		f.finish(t)
	})
}

// TestRestartRefuses what is finished, what it cannot tell, and to choose.
func TestRestartRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, f *fixture)
		why    string
	}{
		"sealed": {func(t *testing.T, f *fixture) { f.pack(t) }, "this one is finished"},
		"drive.json damaged": {func(t *testing.T, f *fixture) {
			f.state = t.TempDir() // the journal would know
			write(t, f.drive, map[string][]byte{seal.DriveName: {}})
		}, "its drive.json is not one of satchel's"},
		"two": {func(t *testing.T, f *fixture) {
			write(t, filepath.Join(f.drive, "satchel-b"), files(t, begun(t).drive))
		}, "more than one unfinished bundle"},
		"one of two is sealed": {func(t *testing.T, f *fixture) {
			other := newSmall(t, false)
			other.pack(t)
			write(t, filepath.Join(f.drive, "satchel-b"), files(t, other.drive))
		}, "this one is finished"},
	} {
		t.Run(name, func(t *testing.T) {
			f := begun(t)
			c.change(t, f)
			drive, state := files(t, f.drive), files(t, f.state)
			var refused *RefusedError
			for _, err := range []error{errOf(CheckRestart(f.drive, f.state, f.job)), Restart(f.drive, f.state, f.job)} {
				if !errors.As(err, &refused) || !strings.Contains(refused.Reason, c.why) {
					t.Errorf("%v", err)
				}
			}
			same(t, f.drive, drive)
			same(t, f.state, state)
		})
	}
	if err := errors.Join(errOf(CheckRestart(t.TempDir(), t.TempDir(), Job{})), Restart(t.TempDir(), t.TempDir(), Job{})); err != nil {
		t.Errorf("nothing is there to delete: %v", err)
	}
}

func TestJob(t *testing.T) {
	_, to := newKey(t, false)
	_, pq := newKey(t, true)
	good := Job{Config: digest.FromString("x"), Recipients: to, SegmentSize: MinSegmentSize, Lanes: 1}
	for name, change := range map[string]func(*Job){
		"":                 func(*Job) {},
		"outside 1 to 99":  func(j *Job) { j.Lanes = 0 },
		"100 lanes":        func(j *Job) { j.Lanes = 100 },
		"1MiB":             func(j *Job) { j.SegmentSize-- },
		"FAT32":            func(j *Job) { j.SegmentSize = 4 << 30 },
		"no recipient":     func(j *Job) { j.Recipients = nil },
		"cannot be mixed":  func(j *Job) { j.Recipients = append(pq, to...) },
		"post-quantum and": func(j *Job) { j.Recipients = append(to[:1:1], pq...) },
	} {
		j := good
		change(&j)
		err := j.Check()
		if (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
		if _, cerr := Create(t.TempDir(), t.TempDir(), j, newSmall(t, false).inv); (cerr == nil) != (name == "") {
			t.Errorf("Create, %q: %v", name, cerr)
		}
	}
}

// TestPermanentEndsReading has a source break for good after some bytes, each time it is opened.
func TestPermanentEndsReading(t *testing.T) {
	src := &dripping{}
	r := &resumingReader{ctx: t.Context(), src: src, d: oci.Descriptor{Size: 100}}
	n, err := io.Copy(io.Discard, r)
	if n != 10 || src.opened != 1 || !isPermanent(err) {
		t.Errorf("%d bytes, opened %d times, %v", n, src.opened, err)
	}
}

// dripping gives ten bytes each time, and says that trying again gives no more.
type dripping struct{ opened int }

func (s *dripping) Open(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
	s.opened++
	return io.NopCloser(io.MultiReader(strings.NewReader("0123456789"), iotest.ErrReader(dripError{}))), nil
}

type dripError struct{}

func (dripError) Error() string   { return "it gives next to nothing" }
func (dripError) Permanent() bool { return true }
