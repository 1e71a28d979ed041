package bundle

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestRepairIntoOthers keeps what is in the directory for the repaired bundle: another bundle
// that has lost its drive.json, a newer copy of the same bundle. What an earlier run wrote there is kept.
func TestRepairIntoOthers(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	older := maps.Clone(s.whole)
	s.protect(t, "1/3")
	newer, lost := t.TempDir(), t.TempDir()
	write(t, newer, s.whole)
	other := maps.Clone(newSealed(t, false).whole)
	delete(other, "drive.json")
	write(t, lost, other)
	for name := range s.whole {
		if _, ok := older[name]; !ok {
			s.gone(t, name)
		}
	}
	for name, body := range older {
		s.put(t, name, body)
	}
	s.put(t, "README.txt", []byte("rubbish"))
	for _, to := range []string{newer, lost} {
		before := files(t, to)
		if _, err := s.repair(t, to, Wanted{}); !isA[*RefusedError](err) {
			t.Errorf("into %s: %v", to, err)
		}
		same(t, to, before)
	}
	to := t.TempDir()
	write(t, to, map[string][]byte{"README.txt": older["README.txt"], segmentFiles(t, s.drive)[0]: older[segmentFiles(t, s.drive)[0]]})
	if _, err := s.repair(t, to, Wanted{}); err != nil {
		t.Error(err)
	}
	same(t, to, older)
	s.put(t, "README.txt", older["README.txt"]) // with nothing damaged it is a copy
	to = t.TempDir()
	if r, err := s.repair(t, to, Wanted{}); err != nil || r.Unfinished != nil {
		t.Error(err, r)
	}
	same(t, to, older)
}

// TestRepairUnfinished does not call whole what verify does not.
func TestRepairUnfinished(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	before := maps.Clone(s.whole)
	s.protect(t, "1/3")
	for _, name := range []string{"extras.json", "copy/extras.json", "README.txt", "SHA256SUMS"} {
		s.put(t, name, before[name])
	}
	if r, err := s.repair(t, "", Wanted{}); !isA[*ParityError](err) || !isA[*ParityError](r.Unfinished) {
		t.Errorf("%v, %+v", err, r)
	}
	s.put(t, "README.txt", []byte("rubbish"))
	if r, err := s.repair(t, "", Wanted{}); !isA[*ParityError](err) || len(r.Faults) != 1 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestUnnamedParity: a parity file of an adding that was interrupted is damaged. Nobody has looked at it yet, and a
// segment is rebuilt from the others.
func TestUnnamedParity(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	before := maps.Clone(s.whole)
	s.protect(t, "2/3")
	p, err := seal.ParseParity(s.whole[seal.ParityName])
	if err != nil {
		t.Fatal(err)
	}
	segment := p.Groups[0].Data[1].Name
	for _, f := range p.Groups[0].Parity {
		s.restore(t)
		for _, name := range []string{"extras.json", "copy/extras.json", "README.txt", "SHA256SUMS"} {
			s.put(t, name, before[name])
		}
		body := slices.Clone(s.whole[f.Name])
		for i := 16 << 10; i < len(body)-16<<10; i++ { // its tables stay
			body[i] ^= 1
		}
		s.put(t, f.Name, body)
		s.gone(t, segment)
		if r, err := s.repair(t, "", Wanted{}); !isA[*ParityError](err) || r.Remedy(segment).From != "parity" {
			t.Errorf("%s: %v, %+v", f.Name, err, r.Remedies)
		}
		if got := files(t, s.drive)[segment]; string(got) != string(s.whole[segment]) {
			t.Errorf("%s: the segment is not what it was", f.Name)
		}
	}
}

// TestRepairIntoRoot: in the root of a drive the repaired bundle gets a directory of its own, as pack makes it, and in any
// directory what systems put there is no matter.
func TestRepairIntoRoot(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	root, _ := tmpfs(t, "64m")
	other := filepath.Join(t.TempDir(), "other")
	for _, to := range []string{root, other} {
		systems := map[string][]byte{"System Volume Information/x": {1}, "lost+found/y": {1}, "Thumbs.db": {1}}
		write(t, to, systems)
		r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		at, err := r.Place(to)
		for range 2 { // the second run finds what the first one wrote
			err = errors.Join(err, r.Into(context.Background(), at, nil))
		}
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(systems)
		for name, body := range s.whole {
			if to == root {
				name = dirPrefix + s.id(t) + "/" + name
			}
			want[name] = body
		}
		same(t, to, want)
	}
}

// TestParityLost says that parity files are missing, and removes the half ones of an earlier run.
func TestParityLost(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.write(t, "p-001-09.par.tmp", []byte("half"))
	ratio := ParityRatio{Parity: 1, Data: 3}
	if _, err := AddParity(context.Background(), s.drive, Wanted{}, ratio, "1.2.3", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.drive, "p-001-09.par.tmp")); !os.IsNotExist(err) {
		t.Error("the half parity file is there still:", err)
	}
	names := slices.Collect(maps.Keys(files(t, s.drive)))
	s.gone(t, names[slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(name, ".par") })])
	if rep, err := AddParity(context.Background(), s.drive, Wanted{}, ratio, "1.2.3", nil); !isA[*DamageError](err) {
		t.Errorf("%v, %+v", err, rep)
	}
}
