package parity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

const (
	id  = "k3v6q2mzt7apd4ho"
	sum = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
)

// drive is a directory in memory.
type drive map[string][]byte

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

func (d drive) Open(name string) (Input, error) {
	b, ok := d[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return file{bytes.NewReader(b)}, nil
}

func (d drive) Gone(error) error { return nil }

func (d drive) clone() drive {
	c := drive{}
	for name, b := range d {
		c[name] = bytes.Clone(b)
	}
	return c
}

// output is a file that is being written.
type output struct{ bytes.Buffer }

func (o *output) WriteAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > int64(o.Len()) {
		return 0, errors.New("beyond the end")
	}
	return copy(o.Bytes()[off:], b), nil
}

// random gives a drive with segments of these sizes.
func random(rnd *rand.Rand, sizes ...int) (drive, []seal.File) {
	d, list := drive{}, []seal.File{}
	for i, n := range sizes {
		name := seal.Segment{Lane: i % 3, Number: i/3 + 1}.String()
		b := make([]byte, n)
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		d[name] = b
		list = append(list, seal.FileOf(name, b))
	}
	slices.SortFunc(list, func(a, b seal.File) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return d, list
}

// protect adds parity files to the drive; shard, if not 0, is the size of a shard.
func protect(t testing.TB, d drive, list []seal.File, r Ratio, shard int64) seal.Parity {
	t.Helper()
	p, err := Plan(seal.Extras{Bundle: id, Seal: sum}, list, r)
	if err != nil {
		t.Fatal(err)
	}
	if shard > 0 {
		p.Shard = shard
	}
	for i := range p.Groups {
		g := GroupOf(p, i)
		outs := make([]Output, len(g.Parity))
		for n := range outs {
			outs[n] = &output{}
		}
		table, err := Write(context.Background(), g, d, outs, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n, f := range g.Parity {
			d[f.Name] = outs[n].(*output).Bytes()
			got, err := table.ReadBack(context.Background(), g, n+1, bytes.NewReader(d[f.Name]), nil)
			if err != nil || got != seal.FileOf(f.Name, d[f.Name]) {
				t.Fatalf("read back %+v, %v", got, err)
			}
			p.Groups[i].Parity[n] = got
		}
	}
	return p
}

// repair does what a repair does with one group, and gives what is lost of each segment.
func repair(t testing.TB, g Group, d, whole drive) map[string][]Range {
	t.Helper()
	s, err := Look(context.Background(), g, d, func(name string) bool { return bytes.Equal(d[name], whole[name]) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	lost, to := map[string][]Range{}, map[string]io.Writer{}
	list := s.Damaged()
	if s.HasTable() {
		list = append(list, s.DamagedParity()...)
	}
	for _, f := range list {
		if r := s.Lost(f.Name); r == nil {
			to[f.Name] = &bytes.Buffer{}
		} else if !seal.IsParityFile(f.Name) {
			lost[f.Name] = r
		}
	}
	if err := s.Rebuild(context.Background(), d, to, nil); err != nil {
		t.Fatal(err)
	}
	for name, w := range to {
		if !bytes.Equal(w.(*bytes.Buffer).Bytes(), whole[name]) {
			t.Errorf("%s was rebuilt wrong", name)
		}
		d[name] = w.(*bytes.Buffer).Bytes()
	}
	return lost
}

func soak() bool { return os.Getenv("SATCHEL_SOAK") != "" }

// TestAnyDamage damages any M files of a group in any way: all are rebuilt, byte for byte.
func TestAnyDamage(t *testing.T) {
	t.Parallel()
	trials := 50
	if soak() {
		trials = 1000
	}
	seed := uint64(1)
	for trial := range trials {
		rnd := rand.New(rand.NewPCG(seed, uint64(trial)))
		r := Ratio{1 + rnd.IntN(4), 1 + rnd.IntN(8)}
		sizes := make([]int, 1+rnd.IntN(r.Data))
		for i := range sizes {
			sizes[i] = 1 + rnd.IntN(200_000)
		}
		whole, list := random(rnd, sizes...)
		p := protect(t, whole, list, r, 4096)
		d, names := whole.clone(), slices.Sorted(maps.Keys(whole))
		rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names[:r.Parity] {
			damage(rnd, d, name)
		}
		if lost := repair(t, GroupOf(p, 0), d, whole); len(lost) > 0 {
			t.Errorf("trial %d of seed %d, %s of %v: lost %v", trial, seed, r, sizes, lost)
		}
		for _, f := range GroupOf(p, 0).files() { // without any table, parity files are computed anew
			if some := slices.ContainsFunc(names[r.Parity:], seal.IsParityFile); !bytes.Equal(d[f.Name], whole[f.Name]) && (some || !seal.IsParityFile(f.Name)) {
				t.Errorf("trial %d of seed %d: %s is not what it was", trial, seed, f.Name)
			}
		}
	}
}

// damage does something to a file.
func damage(rnd *rand.Rand, d drive, name string) {
	b := d[name]
	switch rnd.IntN(6) {
	case 0:
		delete(d, name)
	case 1:
		d[name] = b[:rnd.IntN(len(b))]
	case 2:
		d[name] = append(b, make([]byte, 1+rnd.IntN(10_000))...)
	case 3:
		clear(b[rnd.IntN(len(b)):])
	case 4:
		for range 1 + rnd.IntN(20) {
			b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		}
	case 5: // bytes went missing, and the rest moved
		at := rnd.IntN(len(b))
		d[name] = slices.Delete(b, at, min(at+1+rnd.IntN(600), len(b)))
	}
}

// TestScattered has one burst in every file: what is rebuilt is exactly what no stripe with
// more than M bad shards is in, and the rest is named.
func TestScattered(t *testing.T) {
	t.Parallel()
	trials := 40
	if soak() {
		trials = 1000
	}
	for trial := range trials {
		rnd := rand.New(rand.NewPCG(2, uint64(trial)))
		const shard = 4096
		sizes := make([]int, 6)
		for i := range sizes {
			sizes[i] = 1 + rnd.IntN(40*shard)
		}
		whole, list := random(rnd, sizes...)
		p := protect(t, whole, list, Ratio{2, 6}, shard)
		g, d := GroupOf(p, 0), whole.clone()
		l := layoutOf(g)
		bad := map[string]map[int]bool{} // stripes by file, found out without the package
		count := map[int]int{}
		for i, f := range g.files() {
			b, burst := d[f.Name], []int{512, 4096, 20_000}[trial%3]
			from := int64(0)
			if i >= len(g.Data) { // the shards of a parity file
				from = l.at(0)
				b = b[from : from+l.shards]
			}
			at, stripes := rnd.IntN(len(b)), map[int]bool{}
			for j := at; j < min(at+burst, len(b)); j++ {
				b[j] ^= 0xff
				stripes[j/shard] = true
			}
			bad[f.Name] = stripes
			for s := range stripes {
				count[s]++
			}
		}
		damaged := d.clone()
		lost := repair(t, g, d, whole)
		for _, f := range g.Data {
			var want []Range
			for _, s := range slices.Sorted(maps.Keys(bad[f.Name])) {
				if r := (Range{int64(s * shard), min(int64(s+1)*shard, f.Size)}); count[s] <= 2 {
					continue
				} else if n := len(want); n > 0 && want[n-1].To == r.From {
					want[n-1].To = r.To
				} else {
					want = append(want, r)
				}
			}
			if !slices.Equal(lost[f.Name], want) {
				t.Errorf("trial %d: lost of %s is %v, want %v", trial, f.Name, lost[f.Name], want)
			}
			if after := whole[f.Name]; want != nil && !bytes.Equal(d[f.Name], damaged[f.Name]) || want == nil && !bytes.Equal(d[f.Name], after) {
				t.Errorf("trial %d: %s is neither whole nor as it was", trial, f.Name)
			}
		}
	}
}

// TestHeads destroys heads and tables of all parity files but what is left of one table, which
// is in parts in two of them.
func TestHeads(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 0))
	whole, list := random(rnd, 500_000, 400_000, 900_000, 5)
	p := protect(t, whole, list, Ratio{2, 4}, 4096)
	g := GroupOf(p, 0)
	l := layoutOf(g)
	if l.table < 3*blockSize {
		t.Fatalf("the table has only %d bytes", l.table)
	}
	d := whole.clone()
	first, second := d["p-001-01.par"], d["p-001-02.par"]
	clear(first[:l.at(0)])
	clear(first[l.at(l.shards)+blockSize:])
	clear(second[:l.head+blockSize])
	clear(second[l.at(l.shards):])
	delete(d, list[0].Name)
	d[list[2].Name][7] ^= 1
	if lost := repair(t, g, d, whole); len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
	// Without any table, files that are damaged anywhere count as lost everywhere: here those
	// of parity are.
	for _, name := range []string{"p-001-01.par", "p-001-02.par"} {
		clear(d[name][:l.at(0)])
		clear(d[name][l.at(l.shards):])
	}
	d[list[0].Name] = append(d[list[0].Name], 0)
	if lost := repair(t, g, d, whole); len(lost) != 1 {
		t.Errorf("lost %v, want all of the one that has grown", lost)
	}
}

// TestForeignTable gives a group the parity files of another one: its tables do not count.
func TestForeignTable(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(4, 0))
	whole, list := random(rnd, 9000, 9000)
	other, otherList := random(rnd, 9000, 9000)
	p := protect(t, whole, list, Ratio{1, 2}, 4096)
	protect(t, other, otherList, Ratio{1, 2}, 4096)
	d := whole.clone()
	d["p-001-01.par"] = other["p-001-01.par"]
	d[list[0].Name][0] ^= 1
	if lost := repair(t, GroupOf(p, 0), d, whole); len(lost) != 1 {
		t.Errorf("lost %v, want the damaged segment", lost)
	}
}

// TestLargeShards has shards that are larger than what is read at a time.
func TestLargeShards(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 0))
	const shard = 8 << 20
	if step(4) >= shard {
		t.Fatal("the shards are not that large")
	}
	whole, list := random(rnd, 10<<20, 9<<20+1, 100)
	p := protect(t, whole, list, Ratio{1, 3}, shard)
	d := whole.clone()
	d[list[0].Name][9<<20] ^= 1
	d[list[1].Name][0] ^= 1
	if lost := repair(t, GroupOf(p, 0), d, whole); len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
	delete(d, list[0].Name)
	if lost := repair(t, GroupOf(p, 0), d, whole); len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
}

func TestWriteRefusesDamage(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(drive, string){
		"changed":   func(d drive, name string) { d[name][5] ^= 1 },
		"truncated": func(d drive, name string) { d[name] = d[name][:10] },
		"missing":   func(d drive, name string) { delete(d, name) },
	} {
		d, list := random(rand.New(rand.NewPCG(6, 0)), 5000, 6000)
		p, err := Plan(seal.Extras{Bundle: id, Seal: sum}, list, Ratio{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		spoil(d, list[1].Name)
		_, err = Write(context.Background(), GroupOf(p, 0), d, []Output{&output{}}, nil)
		if bad, ok := errors.AsType[*ChangedError](err); !ok || bad.Name != list[1].Name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFinished(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	whole, list := random(rand.New(rand.NewPCG(7, 0)), 50_000, 60_000)
	p := protect(t, whole, list, Ratio{2, 2}, 4096)
	g := GroupOf(p, 0)
	if got, ok, err := Finished(ctx, g, whole, nil); err != nil || !ok || !slices.Equal(got, g.Parity) {
		t.Errorf("%v, %v, %v; want %v", got, ok, err, g.Parity)
	}
	l := layoutOf(g)
	for _, at := range []int64{0, l.head + 3, l.at(5), l.at(l.shards) + 5, l.size - 1} {
		for _, f := range g.Parity {
			d := whole.clone()
			d[f.Name][at] ^= 1
			if _, ok, err := Finished(ctx, g, d, nil); ok || err != nil {
				t.Errorf("%s with byte %d changed counts as finished, %v", f.Name, at, err)
			}
		}
	}
	d := whole.clone()
	delete(d, g.Parity[1].Name)
	if _, ok, err := Finished(ctx, g, d, nil); ok || err != nil {
		t.Errorf("without one file: %v, %v", ok, err)
	}
}

func TestIsOf(t *testing.T) {
	t.Parallel()
	whole, list := random(rand.New(rand.NewPCG(10, 0)), 5000)
	protect(t, whole, list, Ratio{2, 1}, 4096)
	is := func(b []byte, name, bundle, seal string) bool {
		return IsOf(bytes.NewReader(b), int64(len(b)), name, bundle, func(of string) bool { return of == seal })
	}
	b := whole["p-001-02.par"]
	if !is(b, "p-001-02.par", id, sum) || is(b, "p-001-01.par", id, sum) || is(b, "p-001-02.par", id[:15]+"a", sum) || is(b, "p-001-02.par", id, sum[2:]+"00") {
		t.Error("a file is told from others by name, bundle and seal")
	}
	b[0] ^= 1
	if !is(b, "p-001-02.par", id, sum) {
		t.Error("the head at the end does not count")
	}
	b[len(b)-blockSize+100] ^= 1
	if is(b, "p-001-02.par", id, sum) || is(nil, "p-001-02.par", id, sum) {
		t.Error("a damaged head counts")
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	segments := func(n int, size int64) (list []seal.File) {
		for i := range n {
			list = append(list, seal.File{Name: seal.Segment{Lane: 0, Number: i + 1}.String(), Size: size, SHA256: sum})
		}
		return list
	}
	for _, c := range []struct {
		n      int
		size   int64
		ratio  Ratio
		shard  int64
		groups []int
		err    error
	}{
		{5, 128 << 20, Ratio{2, 20}, 64 << 10, []int{5}, nil},
		{21, 128 << 20, Ratio{2, 20}, 64 << 10, []int{11, 10}, nil},
		{512, 128 << 20, Ratio{2, 254}, 64 << 10, []int{171, 171, 170}, nil},
		{513, 128 << 20, Ratio{200, 50}, 128 << 10, nil, nil}, // the ratio is not of the grammar; only the shard is looked at
		{8000, 128 << 20, Ratio{2, 200}, 1 << 20, nil, nil},   // 1 TB
		{2, 3 << 30, Ratio{1, 2}, 64 << 10, []int{2}, nil},
		{200, 3 << 30, Ratio{56, 200}, 1 << 20, []int{200}, nil}, // a table of 64 KiB shards would be too large
		{1000, 1 << 20, Ratio{1, 1}, 0, nil, ErrGroups},
		{2, seal.MaxFileSize, Ratio{1, 2}, 0, nil, ErrSize},
	} {
		p, err := Plan(seal.Extras{Bundle: id, Seal: sum}, segments(c.n, c.size), c.ratio)
		var groups []int
		for _, g := range p.Groups {
			groups = append(groups, len(g.Data))
		}
		if !errors.Is(err, c.err) || c.err == nil && p.Shard != c.shard || c.groups != nil && !slices.Equal(groups, c.groups) {
			t.Errorf("%d segments of %d, %s: shards of %d, groups %v, %v", c.n, c.size, c.ratio, p.Shard, groups, err)
		}
		if err == nil && Check(p) != nil {
			t.Errorf("%d segments of %d, %s: %v", c.n, c.size, c.ratio, Check(p))
		}
	}
}

func TestParseRatio(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Ratio{"2/20": {2, 20}, "1/1": {1, 1}, "99/157": {99, 157}} {
		if r, err := ParseRatio(s); err != nil || r != want || r.String() != s {
			t.Errorf("%s: %v, %v", s, r, err)
		}
	}
	for _, s := range []string{"", "2", "2/", "0/5", "5/0", "100/100", "2/255", "-1/5", "2/20/3", "a/b", "2 / 20", "10%"} {
		if r, err := ParseRatio(s); err == nil {
			t.Errorf("%s is %v", s, r)
		}
	}
}

// FuzzLook reads parity files that somebody has made up.
func FuzzLook(f *testing.F) {
	whole, list := random(rand.New(rand.NewPCG(8, 0)), 9000, 100)
	p := protect(f, whole, list, Ratio{1, 2}, 4096)
	g := GroupOf(p, 0)
	f.Add(whole[g.Parity[0].Name], whole[list[0].Name])
	f.Add([]byte("satchel parity/1"), []byte{})
	f.Fuzz(func(t *testing.T, par, data []byte) {
		d := whole.clone()
		d[g.Parity[0].Name], d[list[0].Name] = par, data
		s, err := Look(context.Background(), g, d, func(name string) bool { return name == list[1].Name }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Lost(list[0].Name) != nil {
			return
		}
		var out bytes.Buffer
		if err := s.Rebuild(context.Background(), d, map[string]io.Writer{list[0].Name: &out}, nil); err != nil {
			t.Fatal(err)
		}
		if out.Len() != len(whole[list[0].Name]) {
			t.Fatalf("%d bytes were rebuilt", out.Len())
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	whole, list := random(rand.New(rand.NewPCG(9, 0)), slices.Repeat([]int{4 << 20}, 20)...)
	for _, r := range []Ratio{{2, 20}, {4, 20}, {10, 20}} {
		b.Run(fmt.Sprint(r), func(b *testing.B) {
			p, err := Plan(seal.Extras{Bundle: id, Seal: sum}, list, r)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(20 * 4 << 20)
			for b.Loop() {
				outs := make([]Output, r.Parity)
				for i := range outs {
					outs[i] = &output{}
				}
				if _, err := Write(context.Background(), GroupOf(p, 0), whole, outs, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllEntries: however many groups there are, their tables have no more checksums than can be held, and
// a reader refuses more.
func TestAllEntries(t *testing.T) {
	t.Parallel()
	var list []seal.File
	for n := range seal.MaxGroups {
		list = append(list, seal.File{Name: seal.Segment{Number: n + 1}.String(), Size: seal.MaxFileSize - 1<<30, SHA256: seal.Sum(nil)})
	}
	p, err := Plan(seal.Extras{Bundle: "abcdefghijkl2347", Seal: seal.Sum(nil)}, list, Ratio{99, 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(p); err != nil || entries(p, p.Shard) > allEntries {
		t.Errorf("%d checksums, shards of %d: %v", entries(p, p.Shard), p.Shard, err)
	}
	p.Shard = seal.MinShard
	for i := range p.Groups {
		for n := range p.Groups[i].Parity {
			p.Groups[i].Parity[n].Size = layoutOf(GroupOf(p, i)).size
		}
	}
	if err := Check(p); !errors.Is(err, seal.ErrFormat) {
		t.Errorf("%d checksums: %v", entries(p, p.Shard), err)
	}
}
