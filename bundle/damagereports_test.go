package bundle

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestDamageByRandomBits flips one bit anywhere, many times: each flip is found,
// and never becomes a wrong byte that is passed on.
func TestDamageByRandomBits(t *testing.T) {
	count := 500
	if soak() {
		count = 10000
	}
	s := newSealed(t, false)
	names := slices.Sorted(maps.Keys(s.whole))
	rnd := rand.New(rand.NewPCG(3, 1))
	for i := range count {
		name := names[rnd.IntN(len(names))]
		bit := rnd.IntN(len(s.whole[name]) * 8)
		s.put(t, name, flipped(s.whole[name], bit))
		if got := s.blamed(t); len(got) == 0 {
			t.Errorf("bit %d of %s is not found", bit, name)
		}
		if i%10 == 0 {
			s.checkNoLies(t, name, bit)
		}
		s.put(t, name, s.whole[name])
	}
}

// checkNoLies reads a bundle with one wrong bit: a blob that can be read to its
// verified end is right by its digest, and any error is of a kind that a command knows.
func (s *sealed) checkNoLies(t *testing.T, name string, bit int) {
	t.Helper()
	refused, broken := s.readAll(t)
	var damage *DamageError
	for _, err := range []error{refused, broken} {
		if err != nil && !errors.As(err, &damage) {
			t.Errorf("bit %d of %s: %v", bit, name, err)
		}
	}
	if s.blobs[name] && refused == nil && broken == nil {
		t.Errorf("bit %d of %s: everything in it can be read", bit, name)
	}
}

// TestStanzaNameChanged makes a post-quantum key file look like another kind:
// README.txt, which tells the kind, is not to blame.
func TestStanzaNameChanged(t *testing.T) {
	s := newSealed(t, true)
	body := s.whole[seal.KeyName(1)]
	changed := bytes.Replace(body, []byte("-> mlkem768x25519 "), []byte("-> mlkem768x25518 "), 1)
	if bytes.Equal(changed, body) {
		t.Fatal("the key file is not post-quantum")
	}
	s.put(t, seal.KeyName(1), changed)
	if got := s.blamed(t); !slices.Equal(got, []string{seal.KeyName(1)}) {
		t.Errorf("Verify names %v", got)
	}
}

// TestFilesOfAnotherBundle puts files of another bundle, to the same recipient,
// in the place of this one's.
func TestFilesOfAnotherBundle(t *testing.T) {
	s := newSealed(t, false)
	other := *s.fixture
	other.drive, other.state = filepath.Join(t.TempDir(), "other"), t.TempDir()
	finger := other.pack(t)
	theirs := files(t, other.drive)
	for name, body := range theirs {
		if name == seal.ReadmeName {
			continue // differs by the ID alone; below
		}
		s.put(t, name, body)
		if got := s.blamed(t); len(got) == 0 {
			t.Errorf("%s of another bundle is not found", name)
		}
		if refused, _ := s.readAll(t); refused == nil && seal.Known(name, false) && name != seal.SumsName {
			if _, segment := seal.ParseSegment(name); !segment {
				t.Errorf("a bundle with another's %s opens", name)
			}
		}
		s.restore(t)
	}
	s.put(t, seal.ReadmeName, theirs[seal.ReadmeName])
	if got := s.blamed(t); !slices.Equal(got, []string{seal.ReadmeName}) {
		t.Errorf("with another's README.txt Verify names %v", got)
	}

	var wrong *FingerprintError
	for dir, expect := range map[string]Fingerprint{s.drive: finger, other.drive: s.finger} {
		if _, err := Verify(t.Context(), []string{dir}, VerifyOptions{Expect: expect}); !errors.As(err, &wrong) || wrong.Want != expect || wrong.Got == expect {
			t.Errorf("Verify with another's fingerprint: %v", err)
		}
		if _, err := Open(t.Context(), []string{dir}, Wanted{Expect: expect}, s.identity); !errors.As(err, &wrong) {
			t.Errorf("Open with another's fingerprint: %v", err)
		}
	}
	if r, err := Verify(t.Context(), []string{other.drive}, VerifyOptions{Expect: finger}); err != nil || r.Fingerprint != finger {
		t.Errorf("Verify with its own fingerprint: %v", err)
	}
	if _, err := Open(t.Context(), []string{other.drive}, Wanted{Expect: finger}, s.identity); err != nil {
		t.Errorf("Open with its own fingerprint: %v", err)
	}
}

func TestKeys(t *testing.T) {
	s := newSealed(t, false)
	file, _ := newKey(t, false)
	pq, _ := newKey(t, true)
	for name, c := range map[string]struct {
		files []string
		want  error
	}{
		"no key":                 {nil, ErrNoKey},
		"another key":            {[]string{file}, ErrWrongKey},
		"a post-quantum key":     {[]string{pq}, ErrWrongKey},
		"several, one of them":   {[]string{file, pq, s.keyFile}, nil},
		"several, none of them":  {[]string{pq, file}, ErrWrongKey},
		"the right one, at once": {[]string{s.keyFile}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := ReadIdentities(c.files, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Open(t.Context(), []string{s.drive}, Wanted{}, ids)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("Open: %v", err)
			}
			if err == nil {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestNoBundleToRead gives directories that hold no sealed bundle, or too many.
func TestNoBundleToRead(t *testing.T) {
	unfinished := newSmall(t, false)
	w := unfinished.writer(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a, b := newSealed(t, false), newSmall(t, false)
	two := t.TempDir()
	b.pack(t)
	write(t, filepath.Join(two, "satchel-a"), a.whole)
	write(t, filepath.Join(two, "satchel-b"), files(t, b.drive))
	one := t.TempDir()
	write(t, filepath.Join(one, "satchel-anything"), a.whole)
	write(t, one, map[string][]byte{"holiday.jpg": {1}})
	for name, c := range map[string]struct {
		dir  string
		want any
		says string
	}{
		"missing":    {filepath.Join(t.TempDir(), "x"), new(*NoBundleError), "does not exist"},
		"empty":      {t.TempDir(), new(*NoBundleError), "holds no bundle"},
		"unfinished": {unfinished.drive, new(*UnfinishedError), "unfinished"},
		"two":        {two, new(*RefusedError), "more than one bundle"},
	} {
		_, verr := Verify(t.Context(), []string{c.dir}, VerifyOptions{})
		_, oerr := Open(t.Context(), []string{c.dir}, Wanted{}, a.identity)
		for _, err := range []error{verr, oerr} {
			if err == nil || !errors.As(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if r, err := Verify(t.Context(), []string{one}, VerifyOptions{}); err != nil || filepath.Base(r.Dir) != "satchel-anything" {
		t.Errorf("a bundle one directory below: %v", err)
	}
}

// TestReport holds what Verify counts against what is there.
func TestReport(t *testing.T) {
	s := newSealed(t, false)
	var reported, total int64
	r, err := Verify(t.Context(), []string{s.drive}, VerifyOptions{Cold: true, Progress: func(int64) {}})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range s.whole {
		total += int64(len(body))
	}
	if r.Files != len(s.whole) || r.Bytes != total || r.Fingerprint != s.finger || !seal.IsID(r.Bundle) || time.Since(r.Created) > time.Hour {
		t.Errorf("%d files of %d bytes, want %d of %d; %+v", r.Files, r.Bytes, len(s.whole), total, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Verify(ctx, []string{s.drive}, VerifyOptions{Progress: func(n int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	size, err := SealedSize([]string{s.drive}, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int64, 1<<16)
	if _, err := Verify(t.Context(), []string{s.drive}, VerifyOptions{Progress: func(n int64) { done <- n }}); err != nil {
		t.Fatal(err)
	}
	close(done)
	for n := range done {
		reported += n
	}
	if reported != size {
		t.Errorf("SealedSize says %d bytes, the progress adds up to %d", size, reported)
	}
	same(t, s.drive, s.whole)
}
