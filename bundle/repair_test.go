package bundle

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// repair finds out what can be done, and does it in place, or into a directory if to has one.
func (s *sealed) repair(t testing.TB, to string, want Wanted) (*Repair, error) {
	t.Helper()
	r, err := FindRepair(context.Background(), s.drive, want, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if to != "" {
		return r, r.Into(context.Background(), to, nil)
	}
	return r, r.InPlace(context.Background(), nil)
}

// TestRepairSmall destroys each small file, and each second copy, in several ways: they are
// what they were, and nothing else is touched.
func TestRepairSmall(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	if _, err := Sign(context.Background(), s.drive, Wanted{}, []*Signer{newSigner(t, 3).Signer}, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	s.protect(t, "1/3")
	for i, name := range slices.Sorted(maps.Keys(s.whole)) {
		body := s.whole[name]
		if _, segment := seal.ParseSegment(name); segment || seal.IsParityFile(name) {
			continue
		}
		flipped := slices.Clone(body)
		flipped[len(body)/2] ^= 1
		ways := map[string][]byte{"missing": nil, "flipped": flipped, "cut": body[:len(body)/2], "empty": {}, "longer": append(slices.Clone(body), "more"...)}
		for n, how := range slices.Sorted(maps.Keys(ways)) {
			if !soak() && how != "flipped" && n != i%5 {
				continue
			}
			bad := ways[how]
			s.restore(t)
			s.put(t, name, bad)
			r, err := s.repair(t, "", Wanted{})
			if err != nil {
				t.Errorf("%s %s: %v", name, how, err)
				continue
			}
			if len(r.Remedies) != 1 || r.Remedies[0].File != name || r.Remedies[0].From == "" {
				t.Errorf("%s %s: %+v", name, how, r.Remedies)
			}
			same(t, s.drive, s.whole)
		}
	}
}

// TestRepairSmallTogether destroys one of each pair of small files.
func TestRepairSmallTogether(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "1/3")
	for trial := range 5 {
		rnd := rand.New(rand.NewPCG(1, uint64(trial)))
		s.restore(t)
		n := 0
		for _, name := range slices.Sorted(maps.Keys(s.whole)) {
			if _, ok := s.whole["copy/"+name]; ok {
				s.put(t, []string{name, "copy/" + name}[rnd.IntN(2)], []byte("rubbish"))
				n++
			}
		}
		if r, err := s.repair(t, "", Wanted{Expect: s.finger}); err != nil || len(r.Remedies) < n {
			t.Errorf("trial %d: %v, %+v", trial, err, r)
		}
		same(t, s.drive, s.whole)
	}
}

// TestRepairSegments loses and damages segments and parity files, as many as can be rebuilt.
func TestRepairSegments(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "2/2")
	var groups [][]string
	p, err := seal.ParseParity(s.whole["parity.json"])
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.Groups {
		var names []string
		for _, f := range slices.Concat(g.Data, g.Parity) {
			names = append(names, f.Name)
		}
		groups = append(groups, names)
	}
	trials := 9
	if soak() {
		trials = 200
	}
	for trial := range trials {
		rnd := rand.New(rand.NewPCG(2, uint64(trial)))
		s.restore(t)
		want := 0
		for _, names := range groups {
			rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			for _, name := range names[:rnd.IntN(3)] {
				s.spoil(t, rnd, name)
				want++
			}
		}
		damaged := files(t, s.drive)
		to := ""
		if trial%3 == 0 {
			to = filepath.Join(t.TempDir(), "repaired")
		}
		v, verr := Verify(context.Background(), []string{s.drive}, VerifyOptions{})
		r, err := s.repair(t, to, Wanted{})
		if err != nil || len(r.Remedies) != want {
			t.Errorf("trial %d: %v, %+v", trial, err, r)
			continue
		}
		if want > 0 && (verr == nil || !reflect.DeepEqual(v.Remedies, r.Remedies)) || want == 0 && verr != nil {
			t.Errorf("trial %d: verify says %+v, %v", trial, v, verr)
		}
		if to == "" {
			same(t, s.drive, s.whole)
		} else {
			same(t, s.drive, damaged)
			same(t, to, s.whole)
		}
	}
}

// spoil damages a file in some way.
func (s *sealed) spoil(t testing.TB, rnd *rand.Rand, name string) {
	t.Helper()
	body := slices.Clone(s.whole[name])
	switch rnd.IntN(5) {
	case 0:
		body = nil
	case 1:
		body = body[:rnd.IntN(len(body))]
	case 2:
		body = append(body, "more"...)
	case 3:
		body[rnd.IntN(len(body))] ^= 0x40
	case 4:
		clear(body[rnd.IntN(len(body)-1):])
		body[len(body)-1] ^= 1
	}
	s.put(t, name, body)
}

// TestRepairBursts has a burst in every segment and parity file: what no stripe with more than
// M bad shards is in is rebuilt, the rest is named and left as it is.
func TestRepairBursts(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "2/6")
	p, err := seal.ParseParity(s.whole["parity.json"])
	if err != nil {
		t.Fatal(err)
	}
	bursts := []int{512, 4096, 1 << 20}
	n := 2
	if soak() {
		n = 40
	}
	for trial, burst := range slices.Repeat(bursts, n) {
		rnd := rand.New(rand.NewPCG(3, uint64(trial)))
		s.restore(t)
		for _, g := range p.Groups {
			for _, f := range slices.Concat(g.Data, g.Parity) {
				body := slices.Clone(s.whole[f.Name])
				at := rnd.IntN(len(body))
				for i := at; i < min(at+burst, len(body)); i++ {
					body[i] ^= 0xff
				}
				s.put(t, f.Name, body)
			}
		}
		damaged := files(t, s.drive)
		want := s.beyond(t, p)
		r, err := s.repair(t, "", Wanted{})
		if r == nil {
			t.Fatal(err)
		}
		if (len(want) > 0) != isA[*RepairError](err) {
			t.Errorf("burst of %d: %v, want lost %v", burst, err, want)
		}
		after := files(t, s.drive)
		for name, body := range s.whole {
			switch lost := r.Remedy(name).Lost != ""; {
			case lost && !slices.Equal(after[name], damaged[name]):
				t.Errorf("burst of %d: %s cannot be rebuilt, and was changed", burst, name)
			case !lost && !slices.Equal(after[name], body):
				t.Errorf("burst of %d: %s is not what it was", burst, name)
			}
			if _, segment := seal.ParseSegment(name); segment && (r.Remedy(name).Lost != "") != want[name] {
				t.Errorf("burst of %d: %s: %+v, want it lost: %v", burst, name, r.Remedy(name), want[name])
			}
		}
	}
}

// beyond finds out by itself which segments are in stripes with more than M bad shards.
func (s *sealed) beyond(t testing.TB, p seal.Parity) map[string]bool {
	t.Helper()
	lost := map[string]bool{}
	now := files(t, s.drive)
	for i, g := range p.Groups {
		bad := map[int][]string{}
		for _, f := range slices.Concat(g.Data, g.Parity) {
			from, size := 0, len(s.whole[f.Name])
			if seal.IsParityFile(f.Name) {
				from, size = parity.Shards(parity.GroupOf(p, i))
			}
			for at := 0; at < size; at += int(p.Shard) {
				end := min(at+int(p.Shard), size)
				if !slices.Equal(now[f.Name][from+at:from+end], s.whole[f.Name][from+at:from+end]) {
					bad[at] = append(bad[at], f.Name)
				}
			}
		}
		for _, names := range bad {
			for _, name := range names {
				if _, segment := seal.ParseSegment(name); segment && len(names) > p.Parity {
					lost[name] = true
				}
			}
		}
	}
	return lost
}

// TestRepairLost: what cannot be rebuilt is named, and all else is.
func TestRepairLost(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	segs := segmentFiles(t, s.drive)
	for _, name := range []string{segs[0], "copy/index.age", "key-1.age", "copy/key-1.age", "README.txt"} {
		s.put(t, name, []byte("rubbish"))
	}
	s.write(t, "s-50-00001.age", []byte("of somebody else"))
	r, err := s.repair(t, "", Wanted{})
	lost, ok := errors.AsType[*RepairError](err)
	if want := []string{"README.txt", "copy/key-1.age", "key-1.age", segs[0]}; !ok || !slices.Equal(lost.Files, want) || !slices.Equal(lost.Extra, []string{"s-50-00001.age"}) {
		t.Errorf("%v; %+v; want %v", err, r, want)
	}
	after := files(t, s.drive)
	if string(after["copy/index.age"]) != string(s.whole["index.age"]) || string(after["key-1.age"]) != "rubbish" {
		t.Error("what could be repaired was not, or else was touched")
	}
}

// TestRepairChanging: a file that was whole is damaged before the repair: what depends on it is lost, and
// the other groups are repaired.
func TestRepairChanging(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "1/2")
	p, err := seal.ParseParity(s.whole[seal.ParityName])
	if err != nil || len(p.Groups) < 2 || len(p.Groups[0].Data) < 2 {
		t.Fatal(len(p.Groups), err)
	}
	lost, other := p.Groups[0].Data[0].Name, p.Groups[1].Data[0].Name
	s.put(t, lost, nil)
	s.put(t, other, nil)
	r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, p.Groups[0].Data[1].Name, nil)
	err = errors.Join(r.InPlace(context.Background(), nil), r.Close())
	if !isA[*DamageError](err) && !isA[*RepairError](err) || r.Remedy(lost).Lost == "" {
		t.Errorf("%v, %+v", err, r.Remedies)
	}
	if got := files(t, s.drive)[other]; string(got) != string(s.whole[other]) {
		t.Error("the other group was not repaired")
	}
}

// TestRepairMeanwhile: a bundle that was changed after it was read is not repaired by what it was.
func TestRepairMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.put(t, "copy/index.age", nil)
	r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(context.Background(), s.drive, Wanted{}, []*Signer{newSigner(t, 3).Signer}, "1.2.3"); err != nil {
		t.Logf("signing a damaged bundle: %v", err)
		s.put(t, "extras.json", []byte("changed"))
	}
	if err := errors.Join(r.InPlace(context.Background(), nil), r.Close()); !isA[*RefusedError](err) {
		t.Errorf("%v", err)
	}
}

// TestRepairIntoItself: --to is never a drive of the bundle, whatever it is called, nor within it.
func TestRepairIntoItself(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(s.drive, link); err != nil {
		t.Fatal(err)
	}
	s.put(t, "index.age", nil)
	for _, to := range []string{s.drive, link, filepath.Join(s.drive, "copy"), filepath.Join(link, "new")} {
		if _, err := s.repair(t, to, Wanted{}); !isA[*RefusedError](err) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.drive, "new")); err == nil {
		t.Error("a directory was made in the bundle")
	}
}

// TestRepairRoom: the room that a repair in place takes is that of all missing files, and of the damaged ones of
// one group.
func TestRepairRoom(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "1/2")
	segs := segmentFiles(t, s.drive)
	const cluster = 4096
	var all, most int64
	for _, name := range segs[:2] { // neighbours are in different groups
		n := roundUp(int64(len(s.whole[name])), cluster)
		all, most = all+n, max(most, n)
	}
	for _, missing := range []bool{false, true} {
		for _, name := range segs[:2] {
			body := slices.Clone(s.whole[name])
			body[7] ^= 1
			if missing {
				body = nil
			}
			s.put(t, name, body)
		}
		r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := most
		if missing {
			want = all
		}
		if got := r.growth(cluster); got != want {
			t.Errorf("missing %t: %d, want %d", missing, got, want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRepairExtra: a file that is not of the bundle is no damage of it, and nothing else is called so.
func TestRepairExtra(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.write(t, "s-50-00001.age", []byte("of somebody else"))
	_, err := s.repair(t, "", Wanted{})
	if e, ok := errors.AsType[*RepairError](err); !ok || len(e.Files) > 0 || len(e.Extra) != 1 || !strings.Contains(e.Error(), "has all that it had") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(s.drive, "s-50-00001.age")); err != nil {
		t.Fatal(err)
	}
	same(t, s.drive, s.whole)
}

// TestRepairBothLost: a small file that is lost with its second copy is made anew where others say what it was; where
// none does and nobody can read the bundle without it, all of it is lost.
func TestRepairBothLost(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	for _, c := range []struct {
		name      string // it is lost with its second copy
		more      string // is lost too
		protected bool
		lost      []int // drives that verify lists as lost
		anew      bool  // it is another one than before
	}{
		{name: "extras.json"},
		{name: "extras.json", more: "SHA256SUMS", lost: []int{1}},
		{name: "key-1.age", lost: []int{1}},
		{name: "parity.json", protected: true},
		{name: "extras.json", protected: true, anew: true},
		{name: "extras.json", more: "SHA256SUMS", protected: true, lost: []int{1}},
	} {
		s.restore(t)
		if _, ok := s.whole["parity.json"]; c.protected && !ok {
			s.protect(t, "1/3")
		}
		for _, name := range []string{c.name, "copy/" + c.name, c.more} {
			if name != "" {
				s.put(t, name, nil)
			}
		}
		rep, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{})
		if !isDamage(err) || slices.ContainsFunc(rep.Remedies, func(m Remedy) bool { return m.Extra }) {
			t.Errorf("%+v: %v, %+v", c, err, rep.Remedies)
		}
		if l := LostOf(rep); !slices.Equal(l.Drives, c.lost) || len(l.Files) > 0 {
			t.Errorf("%+v: lost %+v", c, l)
		}
		r, err := s.repair(t, "", Wanted{Expect: s.finger})
		if (err == nil) != (c.lost == nil) || err == nil && (r.Remedy(seal.ExtrasName).From == FromNames) != c.anew {
			t.Errorf("%+v: %v", c, err)
		}
		if c.lost == nil && !c.anew {
			same(t, s.drive, s.whole)
		}
		if _, err := Verify(context.Background(), []string{s.drive}, VerifyOptions{Expect: s.finger}); (err == nil) != (c.lost == nil) {
			t.Errorf("%+v, after the repair: %v", c, err)
		}
	}
}

// TestRepairKeyLost: where a key file is lost with its copy, README.txt and SHA256SUMS are not called lost.
func TestRepairKeyLost(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	for _, name := range []string{"key-1.age", "copy/key-1.age"} {
		s.put(t, name, []byte("rubbish"))
	}
	_, err := s.repair(t, "", Wanted{})
	lost, ok := errors.AsType[*RepairError](err)
	if want := []string{"copy/key-1.age", "key-1.age"}; !ok || !slices.Equal(lost.Files, want) {
		t.Errorf("%v; want %v", err, want)
	}
}

// TestRepairExtrasFlipped: a digit of extras.json is another one and its copy is lost. That makes no key file
// lost: what SHA256SUMS has is made anew.
func TestRepairExtrasFlipped(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	e, err := seal.ParseExtras(s.whole["extras.json"])
	if err != nil {
		t.Fatal(err)
	}
	digit := byte('0')
	if e.Files[0].SHA256[9] == digit {
		digit = '1'
	}
	e.Files[0].SHA256 = e.Files[0].SHA256[:9] + string(digit) + e.Files[0].SHA256[10:]
	s.put(t, "extras.json", must(e.Marshal())(t))
	s.put(t, "copy/extras.json", []byte("rubbish"))
	if r, err := s.repair(t, "", Wanted{}); err != nil || len(r.Remedies) != 2 {
		t.Errorf("%v, %+v", err, r)
	}
	same(t, s.drive, s.whole)
	s.put(t, "extras.json", must(e.Marshal())(t))
	s.put(t, "copy/extras.json", nil)
	s.put(t, "SHA256SUMS", nil)
	if _, err := s.repair(t, "", Wanted{}); !isA[*DamageError](err) {
		t.Errorf("nothing tells which is right: %v", err)
	}
	if got := files(t, s.drive)["key-1.age"]; string(got) != string(s.whole["key-1.age"]) {
		t.Error("a key file that is whole was touched")
	}
}

// TestRepairUndecided: two seals that are as good as each other.
func TestRepairUndecided(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	b, err := seal.ParseBundle(s.whole["bundle.json"])
	if err != nil {
		t.Fatal(err)
	}
	b.Sequence = 7
	other, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "copy/bundle.json", other)
	if r, err := s.repair(t, "", Wanted{}); err != nil || len(r.Remedies) != 1 {
		t.Errorf("extras.json tells which is right: %v", err)
	}
	s.restore(t)
	s.put(t, "bundle.json", other)
	if r, err := s.repair(t, "", Wanted{}); err != nil || len(r.Remedies) != 1 {
		t.Errorf("extras.json tells which is right: %v", err)
	}
	same(t, s.drive, s.whole)
	s.put(t, "bundle.json", other)
	s.put(t, "extras.json", nil)
	s.put(t, "copy/extras.json", nil)
	s.put(t, "SHA256SUMS", nil)
	if _, err := s.repair(t, "", Wanted{}); !isA[*DamageError](err) {
		t.Errorf("nothing tells which is right: %v", err)
	}
	if _, err := s.repair(t, "", Wanted{Expect: Fingerprint(seal.Sum([]byte("x")))}); !isA[*FingerprintError](err) {
		t.Errorf("another bundle was asked for: %v", err)
	}
}

// TestRepairSealFlipped: the seal is another one and its copy is lost: that is what is named.
func TestRepairSealFlipped(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	b, err := seal.ParseBundle(s.whole["bundle.json"])
	if err != nil {
		t.Fatal(err)
	}
	b.Sequence = 7
	s.put(t, "bundle.json", must(b.Marshal())(t))
	s.put(t, "copy/bundle.json", []byte("rubbish"))
	_, err = s.repair(t, "", Wanted{})
	if damage, ok := errors.AsType[*DamageError](err); !ok || damage.Faults[0].File != "bundle.json" {
		t.Errorf("%v", err)
	}
}

// TestRepairInterrupted stops a repair after each file that it writes: the bundle is no worse,
// and the next run completes it.
func TestRepairInterrupted(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "2/3")
	segs := segmentFiles(t, s.drive)
	bad := []string{segs[0], "p-001-01.par", "index.age", "copy/drive.json", "SHA256SUMS"}
	for stop := range 6 {
		s.restore(t)
		for _, name := range bad {
			s.put(t, name, []byte("rubbish"))
		}
		ctx, cancel := context.WithCancel(context.Background())
		r, err := FindRepair(context.Background(), s.drive, Wanted{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var n atomic.Int64
		err = r.InPlace(ctx, func(int64) {
			if n.Add(1) == int64(stop) {
				cancel()
			}
		})
		cancel()
		if err := errors.Join(r.Close()); err != nil {
			t.Fatal(err)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stopped after %d: %v", stop, err)
		}
		for name, body := range files(t, s.drive) {
			if string(body) != string(s.whole[name]) && (!slices.Contains(bad, name) || string(body) != "rubbish") {
				t.Errorf("stopped after %d: %s is neither as it was nor whole", stop, name)
			}
		}
		if _, err := s.repair(t, "", Wanted{}); err != nil {
			t.Errorf("again after %d: %v", stop, err)
		}
		same(t, s.drive, s.whole)
	}
}

// TestRepairInto refuses directories that are not for it, and goes on where it was stopped.
func TestRepairInto(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	s.protect(t, "1/3")
	s.put(t, segmentFiles(t, s.drive)[0], []byte("rubbish"))
	other := newSealed(t, false)
	full := t.TempDir()
	write(t, full, map[string][]byte{"mine.txt": []byte("x")})
	for _, to := range []string{s.drive, other.drive, full} {
		before := files(t, to)
		if _, err := s.repair(t, to, Wanted{}); !isA[*RefusedError](err) {
			t.Errorf("into %s: %v", to, err)
		}
		same(t, to, before)
	}
	to := t.TempDir()
	write(t, to, map[string][]byte{"s-00-00001.age.tmp": []byte("x"), "README.txt.tmp": []byte("half")})
	if _, err := s.repair(t, to, Wanted{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s-00-00001.age.tmp", "README.txt.tmp"} {
		if err := os.Remove(filepath.Join(to, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	same(t, to, s.whole)
}
