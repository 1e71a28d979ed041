package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

var begin = Begin{
	Bundle: "abcdefghijklmnop", Created: time.Unix(1767225600, 0).UTC(), Config: digest.FromString("x"),
	Recipients: []string{"age1x"}, SegmentSize: 1 << 20, Lanes: 2, Key: "age1y", KeyFiles: map[string][]byte{"key-1.age": {1, 2, 3}},
}

// records is a life: a blob over three segments of lane 0, one of lane 1, a drop.
func records() []Record {
	d := digest.FromString("blob")
	seg := func(lane, number int, u *Unfinished) Record {
		return Record{Segment: &Segment{Lane: lane, Number: number, Size: 10, SHA256: "00", Tar: 9,
			Pieces: []Piece{{Digest: d, Size: 30, Offset: 512, Length: 8}}, Unfinished: u}}
	}
	half := &Unfinished{Digest: d, Size: 30, State: []byte{1, 2}}
	return []Record{
		{Session: &Session{Dir: "/a", Mount: "m1"}},
		seg(0, 1, half), seg(1, 1, nil), seg(0, 2, half), seg(0, 3, nil),
		{Drop: &Drop{Lane: 0, Numbers: []int{2, 3}}},
		{Session: &Session{Dir: "/b", Mount: "m2"}},
		seg(0, 4, nil),
		{Sealed: &Sealed{Fingerprint: "ff"}},
	}
}

// lived writes a whole journal and gives its path.
func lived(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundles", "id", "journal")
	j, err := Create(path, begin)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records() {
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func reopen(t testing.TB, path string) *State {
	t.Helper()
	j, st, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return st
}

func numbers(st *State, lane int) (list []int) {
	for _, s := range st.Segments[lane] {
		list = append(list, s.Number)
	}
	return list
}

func TestReplay(t *testing.T) {
	t.Parallel()
	path := lived(t)
	st := reopen(t, path)
	want := begin
	want.Version = versionOne
	if !reflect.DeepEqual(st.Begin, want) {
		t.Errorf("begin %+v", st.Begin)
	}
	if st.Session.Mount != "m2" || st.Sealed == nil || st.Sealed.Fingerprint != "ff" {
		t.Errorf("session %+v, sealed %+v", st.Session, st.Sealed)
	}
	if got := numbers(st, 0); !reflect.DeepEqual(got, []int{1, 4}) {
		t.Errorf("lane 0 has %v", got)
	}
	if got := numbers(st, 1); !reflect.DeepEqual(got, []int{1}) || st.Next[0] != 5 || st.Next[1] != 2 {
		t.Errorf("lane 1 has %v, next %v", got, st.Next)
	}
	if s := st.Segments[0][0]; s.Unfinished == nil || !bytes.Equal(s.Unfinished.State, []byte{1, 2}) || len(s.Pieces) != 1 || s.Pieces[0].Offset != 512 {
		t.Errorf("segment %+v", s)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestNumberOfADroppedSegment stays used, even if it was the highest.
func TestNumberOfADroppedSegment(t *testing.T) {
	t.Parallel()
	path := lived(t)
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(body, []byte("\n"))
	if err := os.WriteFile(path, bytes.Join(lines[:7], nil), 0o600); err != nil { // up to the drop
		t.Fatal(err)
	}
	if st := reopen(t, path); st.Next[0] != 4 || len(st.Segments[0]) != 1 {
		t.Errorf("next %v, segments %v", st.Next, numbers(st, 0))
	}
}

// TestTornAnywhere cuts the journal at every byte: what was whole counts, the
// rest is cut off, and the next record stands on a line of its own.
func TestTornAnywhere(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(lived(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal")
	for n := range len(body) + 1 {
		if err := os.WriteFile(path, body[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		whole := bytes.Count(body[:n], []byte("\n"))
		j, st, err := Open(path)
		if whole == 0 {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("cut at %d: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if err := errors.Join(j.Append(Record{Session: &Session{Mount: "after"}}), j.Close()); err != nil {
			t.Fatal(err)
		}
		if (st.Sealed != nil) != (whole == len(records())+1) {
			t.Errorf("cut at %d: sealed %v", n, st.Sealed)
		}
		after, err := os.ReadFile(path)
		if lines := bytes.Count(after, []byte("\n")); err != nil || lines != whole+1 || reopen(t, path).Session.Mount != "after" {
			t.Fatalf("cut at %d: %d lines after the next record, want %d; %v", n, lines, whole+1, err)
		}
	}
}

// TestTornTail has a loss of power leave of the last record, which was not synced, what file systems
// make of such bytes: it is dropped as if it had been cut off.
func TestTornTail(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(lived(t))
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(body[:len(body)-1], '\n') + 1
	for name, tail := range map[string]string{
		"zeros":                      strings.Repeat("\x00", 600),
		"zeros that end the line":    strings.Repeat("\x00", 600) + "\n",
		"zeros in its middle":        string(body[last:last+5]) + "\x00\x00" + string(body[last+7:]),
		"other bytes with lines":     "\x91\n\n7\n{\"seg\n\xff",
		"an empty line":              "\n",
		"a version, then its middle": `{"version":4}` + "\n" + string(body[last+9:]),
	} {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, append(bytes.Clone(body[:last]), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		j, st, err := Open(path)
		if err != nil || st.Sealed != nil || len(st.Segments[0]) != 2 {
			t.Fatalf("%s: %+v, %v", name, st, err)
		}
		if err := errors.Join(j.Append(Record{Session: &Session{Mount: "after"}}), j.Close()); err != nil {
			t.Fatal(err)
		}
		if st := reopen(t, path); st.Session.Mount != "after" || st.Sealed != nil {
			t.Errorf("%s: the next record: %+v", name, st)
		}
	}
}

func TestDamagedJournals(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(lived(t))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(body), "\n")
	first += "\n"
	for name, text := range map[string]string{
		"garbage in the middle": first + "garbage\n" + rest,
		"an empty line":         first + "\n" + rest,
		"zeros":                 first + "\x00\x00\x00\n" + rest,
		"no beginning":          rest,
		"two beginnings":        first + first,
		"version 0":             strings.Replace(first, `"version":2`, `"version":0`, 1) + rest,
		"a version below 0":     first + `{"version":-1}` + "\n" + rest,
		"an array":              first + "[]\n" + rest,
		"a record of no kind":   first + "{}\n" + rest,
		"an unknown kind":       first + `{"parity":{}}` + "\n" + rest,
		"two kinds in a record": first + `{"session":{"dir":"a","mount":"b"},"drop":{"lane":0,"numbers":[1]}}` + "\n" + rest,
		"a field nobody knows":  first + `{"drop":{"lane":0,"numbers":[1],"why":"x"}}` + "\n" + rest,
		"two objects in a line": first + `{"drop":{"lane":9,"numbers":[1]}} {}` + "\n" + rest,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Open(path); !errors.Is(err, ErrFormat) {
				t.Errorf("%v", err)
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != text {
				t.Errorf("a damaged journal was changed, %v", err)
			}
		})
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := Create(path, begin)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("opened while it is written: %v", err)
	}
	if _, err := Create(path, begin); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again while it is written: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	reopen(t, path)
	if _, _, err := Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// TestFailedOnce has a journal that could not be written refuse all that follows.
func TestFailedOnce(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("/dev/full cannot be opened here")
	}
	j := &Journal{f: full, path: "full"}
	if err := j.Append(Record{Sealed: &Sealed{}}); err == nil {
		t.Fatal("a full disk takes a record")
	}
	if j.f, err = os.CreateTemp(t.TempDir(), ""); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(Record{Sealed: &Sealed{}}); err == nil {
		t.Error("it continues after a failure")
	}
	if err := errors.Join(j.Close(), full.Close()); err != nil {
		t.Error(err)
	}
}

// FuzzJournal replays anything: what it accepts, written again, replays to the same.
func FuzzJournal(f *testing.F) {
	body, err := os.ReadFile(lived(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(body[:len(body)-5])
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, st, err := Open(path)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		a, err := json.Marshal(st)
		if err != nil {
			return // a time that JSON cannot hold
		}
		if b, err := json.Marshal(reopen(t, path)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("read twice:\n%s\n%s, %v", a, b, err)
		}
	})
}
