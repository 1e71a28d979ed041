package bundle

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// oneWay is a link that loses, cuts, repeats, renames and reorders what it takes from one
// directory to another.
type oneWay struct {
	*rand.Rand
	share float64 // of the files that are lost, and as many that are cut
}

// carry takes all files, and says which are lost or cut, by name.
func (o oneWay) carry(t testing.TB, from, to string) (lost []string) {
	t.Helper()
	all := files(t, from)
	names := slices.Sorted(maps.Keys(all))
	o.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	arrive := func(name string, body []byte) {
		if err := os.WriteFile(filepath.Join(to, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		body := all[name]
		if err := os.Remove(filepath.Join(from, name)); err != nil {
			t.Fatal(err)
		}
		switch at := o.Float64(); {
		case at < o.share:
			lost = append(lost, name)
		case at < 2*o.share:
			lost = append(lost, name)
			arrive(name, body[:o.IntN(len(body))])
		case at < 0.6:
			arrive(name, body)
		case at < 0.7: // repeated
			arrive(name, body)
			arrive(strings.TrimSuffix(name, ".dat")+" (1).dat", body)
		case at < 0.8: // as some portals call what was uploaded
			arrive("20261130-"+strings.ToUpper(name), body)
		default:
			sub := fmt.Sprintf("batch-%d", o.IntN(3))
			if err := os.MkdirAll(filepath.Join(to, sub), 0o755); err != nil {
				t.Fatal(err)
			}
			arrive(sub+"/"+name, body)
		}
	}
	return lost
}

// send writes link files of the fixture's bundle into dir.
func (f *fixture) send(t testing.TB, dir string, most int64, list string) *Link {
	t.Helper()
	from, err := f.original(t)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	l, err := OpenLink(t.Context(), []*Original{from}, most, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	numbers := l.All()
	if list != "" {
		parsed, err := ParseLinkList(list)
		if err == nil {
			numbers, err = l.Wanted(parsed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Send(t.Context(), dir, numbers, LinkOptions{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLink sends bundles over links that lose and cut 1% and 5% of the files, repeat, rename
// and reorder the others: exactly what is missing is named, and one more pass completes it.
func TestLink(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	n := 6
	if soak() {
		n = 400
	}
	for i := range n {
		share, most := []float64{0.01, 0.05}[i%2]/2, []int64{64 << 10, 200_000, MaxLinkFile}[i%3]
		o := oneWay{rand.New(rand.NewPCG(uint64(i), 15)), share}
		spool, inside := t.TempDir(), t.TempDir()
		l := f.send(t, spool, most, "")
		lost := o.carry(t, spool, inside)
		var want []int
		for _, name := range lost {
			if n := linkNumber(name, l.Bundle); n > 0 {
				want = append(want, n)
			}
		}
		slices.Sort(want)
		a, err := Receive(t.Context(), inside, ReceiveOptions{})
		if err != nil || !slices.Equal(a.Missing, want) || a.Here != len(l.Files)-len(want) {
			t.Fatalf("seed %d: %d files, missing %v, want %v, %v", i, len(l.Files), a.Missing, want, err)
		}
		if len(want) > 0 {
			f.send(t, spool, most, strings.ToLower(a.List.String()))
			again := oneWay{o.Rand, 0}
			again.carry(t, spool, inside)
			if a, err = Receive(t.Context(), inside, ReceiveOptions{}); err != nil || len(a.Missing) > 0 {
				t.Fatalf("seed %d: still missing %v, %v", i, a.Missing, err)
			}
		}
		same(t, a.Dir, files(t, f.drive))
		if a, err = Receive(t.Context(), inside, ReceiveOptions{}); err != nil || len(a.Missing) > 0 {
			t.Errorf("seed %d: once more: %+v, %v", i, a, err)
		}
		if _, err := Verify(t.Context(), []string{inside}, VerifyOptions{Expect: a.Fingerprint}); err != nil {
			t.Error(err)
		}
	}
}

// TestLinkWrong: files that are not the bundle's are named and never taken, and a manifest is
// believed only as far as its seals go.
func TestLinkWrong(t *testing.T) {
	t.Parallel()
	f, other := newSmall(t, false), newSmall(t, false)
	f.pack(t)
	other.pack(t)
	spool, inside := t.TempDir(), t.TempDir()
	l := f.send(t, spool, 300_000, "")
	all := files(t, spool)
	first, second := l.name(l.Files[0]), l.name(l.Files[1])
	changed := slices.Clone(all[first])
	changed[len(changed)/2] ^= 1
	write(t, inside, all)
	write(t, inside, map[string][]byte{
		first: changed, second: all[second][:10], l.name(LinkFile{Number: 99_999}): []byte("what"), "notes.txt": []byte("of a person"),
		l.manifestName(1): all[l.manifestName(1)][:1000],
	})
	if err := os.Symlink("/etc/passwd", filepath.Join(inside, l.name(LinkFile{Number: 88_888}))); err != nil {
		t.Fatal(err)
	}
	a, err := Receive(t.Context(), inside, ReceiveOptions{})
	if err != nil || !slices.Equal(a.Missing, []int{1, 2}) {
		t.Fatalf("%+v, %v", a, err)
	}
	var named []string
	for _, w := range a.Wrong {
		named = append(named, w.File)
	}
	slices.Sort(named)
	wrong := []string{first, second, l.name(LinkFile{Number: 99_999}), l.manifestName(1)}
	slices.Sort(wrong)
	if !slices.Equal(named, wrong) {
		t.Errorf("named %v, want %v", named, wrong)
	}
	unfinishedIn(t, a.Dir)

	// A manifest whose own hash is right, and in which a segment has another one.
	forged := strings.Replace(string(all[l.manifestName(2)]), `"drive":1`, `"drive":2`, 1)
	text, _, _ := strings.Cut(forged, "\nsha256 ")
	forged = text + "\nsha256 " + seal.Sum([]byte(text+"\n")) + "\n"
	if _, err := parseLink([]byte(forged)); err == nil {
		t.Error("a forged manifest is taken")
	}

	// Another bundle's manifest beside it.
	otherSpool := t.TempDir()
	o := other.send(t, otherSpool, 300_000, "")
	write(t, inside, map[string][]byte{"x.txt": files(t, otherSpool)[o.manifestName(1)]})
	if _, ok := errors.AsType[*RefusedError](errOf(Receive(t.Context(), inside, ReceiveOptions{}))); !ok {
		t.Error("of two bundles one is taken")
	}
	write(t, inside, map[string][]byte{first: all[first], second: all[second]})
	a, err = Receive(t.Context(), inside, ReceiveOptions{Wanted: Wanted{Expect: l.Fingerprint}})
	if err != nil || len(a.Missing) > 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	f.whole(t, a.Dir)
}

// TestLinkWithoutManifest: all manifests are lost, and the list asks for nothing else.
func TestLinkWithoutManifest(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	spool, inside := t.TempDir(), t.TempDir()
	l := f.send(t, spool, 1<<20, "")
	for name, body := range files(t, spool) {
		if linkNumber(name, l.Bundle) > 0 {
			write(t, inside, map[string][]byte{name: body})
		}
	}
	a, err := Receive(t.Context(), inside, ReceiveOptions{})
	if err != nil || a == nil || a.Files != 0 || a.List.String() != strings.ToUpper(l.Bundle[:8])+" manifest" {
		t.Fatalf("%+v, %v", a, err)
	}
	again := t.TempDir()
	f.send(t, again, 1<<20, a.List.String())
	for name := range files(t, again) {
		if linkNumber(name, l.Bundle) > 0 {
			t.Errorf("%s is sent too", name)
		}
	}
	write(t, inside, files(t, again))
	if a, err = Receive(t.Context(), inside, ReceiveOptions{}); err != nil || len(a.Missing) > 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	f.whole(t, a.Dir)
	if a, err := Receive(t.Context(), t.TempDir(), ReceiveOptions{}); a != nil || err != nil {
		t.Errorf("of an empty directory: %+v, %v", a, err)
	}

	renamed := t.TempDir() // the link has changed names too: nothing says of which bundle it is
	write(t, renamed, map[string][]byte{"upload-1": []byte("a"), "upload-2": []byte("b")})
	if a, err = Receive(t.Context(), renamed, ReceiveOptions{}); err != nil || a == nil || a.Found != 2 || a.List.String() != "manifest" {
		t.Fatalf("with other names: %+v, %v", a, err)
	}
	again = t.TempDir()
	f.send(t, again, 1<<20, a.List.String())
	if n := len(files(t, again)); n != 3 {
		t.Errorf("%d files are sent for a list that asks for the manifest", n)
	}
}

// TestLinkList: a list that was misread is noticed.
func TestLinkList(t *testing.T) {
	t.Parallel()
	l := &Link{Bundle: "k3v6q2mzt7apd4ho", sum: "1", Files: make([]LinkFile, 120)}
	list := l.Missing([]int{3, 7, 8, 9, 77, 120})
	text := list.String()
	if !strings.HasPrefix(text, "K3V6Q2MZ 3,7-9,77,120 check ") {
		t.Errorf("list %q", text)
	}
	for s, ok := range map[string]bool{
		text: true, strings.ToLower(strings.ReplaceAll(text, ",", " , ")): true,
		strings.Replace(text, "77", "78", 1): false, strings.Replace(text, "K3V6", "K3V7", 1): false,
	} {
		parsed, err := ParseLinkList(s)
		if err != nil {
			t.Error(err)
			continue
		}
		if numbers, err := l.Wanted(parsed); (err == nil) != ok || ok && !slices.Equal(numbers, []int{3, 7, 8, 9, 77, 120}) {
			t.Errorf("%q: %v, %v", s, numbers, err)
		}
	}
	l.most = 300_000
	if parsed, err := ParseLinkList(strings.ToLower(l.Missing([]int{3}).String())); err != nil || parsed.most != 300_000 || errOf(l.Wanted(parsed)) != nil {
		t.Errorf("the list has %d bytes, %v", parsed.most, err)
	}
	for _, s := range []string{"", "K3V6Q2MZ 1 max x check abcd", "K3V6Q2MZ", "K3V6Q2MZ 1,2", "12 13 check abcd", "K3V6Q2MZ x check abcd", "K3V6Q2MZ 1- check abcd"} {
		if _, err := ParseLinkList(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	other := &Link{Bundle: l.Bundle, sum: "2", Files: l.Files}
	if parsed, err := ParseLinkList(text); err != nil || errOf(other.Wanted(parsed)) == nil {
		t.Errorf("a list of another sending is taken: %v", err)
	}
}

// TestLinkRotten: what has changed after it had arrived is named, and asked for again at once.
func TestLinkRotten(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	spool, inside := t.TempDir(), t.TempDir()
	l := f.send(t, spool, MaxLinkFile, "")
	all := files(t, spool)
	late := l.name(l.Files[len(l.Files)-1])
	last := all[late]
	delete(all, late)
	write(t, inside, all)
	a, err := Receive(t.Context(), inside, ReceiveOptions{})
	if err != nil || len(a.Missing) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	flip(t, filepath.Join(a.Dir, l.Files[0].file.Name))
	write(t, inside, map[string][]byte{late: last})
	if a, err = Receive(t.Context(), inside, ReceiveOptions{}); err != nil || !slices.Equal(a.Missing, []int{1}) || len(a.Wrong) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	write(t, inside, map[string][]byte{"again": all[l.name(l.Files[0])]})
	if a, err = Receive(t.Context(), inside, ReceiveOptions{}); err != nil || len(a.Missing) > 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	f.whole(t, a.Dir)
}

// TestLinkTwins: of files of the bundle with the same bytes, each takes one that has arrived. Parts
// are all of one size, and there may be many.
func TestLinkTwins(t *testing.T) {
	t.Parallel()
	same := []LinkFile{{Number: 1, sha256: "a"}, {Number: 2, sha256: "b"}, {Number: 3, sha256: "a"}, {Number: 4, sha256: "a"}, {Number: 5, sha256: "d"}}
	r := receiver{link: &Link{Files: same}, have: map[int]arrived{}, done: map[int]bool{3: true, 5: true}}
	r.want()
	for sum, want := range map[string]bool{"a": true, "c": false, "d": true} {
		if got := r.give(arrived{name: "one"}, sum, 0); got != want {
			t.Errorf("%s is found: %v", sum, got)
		}
	}
	if !r.give(arrived{name: "two"}, "a", 0) || !r.give(arrived{name: "three"}, "a", 0) || len(r.have) != 2 || r.have[1].name != "one" || r.have[4].name != "two" || r.left[0] != 1 {
		t.Errorf("given %v, left %v", r.have, r.left)
	}

	r = receiver{link: &Link{Files: same}, have: map[int]arrived{}, done: map[int]bool{}} // the one that did not arrive whole is asked for
	r.want()
	for _, named := range []int{4, 2, 3} {
		r.give(arrived{name: fmt.Sprint(named)}, "a", named)
	}
	if r.have[4].name != "4" || r.have[3].name != "3" || r.have[1].name != "2" || r.left[0] != 2 {
		t.Errorf("given %v, left %v", r.have, r.left)
	}

	r = receiver{link: &Link{}, have: map[int]arrived{}}
	for i := range 200_000 {
		r.link.Files = append(r.link.Files, LinkFile{Number: i + 1, sha256: fmt.Sprintf("%064x", i)})
	}
	r.want()
	began := time.Now()
	for i := range r.link.Files { // the last ones first
		r.give(arrived{name: "x"}, r.link.Files[len(r.link.Files)-1-i].sha256, 0)
	}
	if took := time.Since(began); len(r.have) != len(r.link.Files) || took > 5*time.Second {
		t.Errorf("%d files are found in %v", len(r.have), took)
	}
}
