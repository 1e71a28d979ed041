package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// content is what a bundle of one image needs.
func content(t testing.TB) Content {
	t.Helper()
	c := ocitest.New(5)
	ref, err := oci.ParseRef("registry.example/app/one:v1")
	if err != nil {
		t.Fatal(err)
	}
	images := []oci.Image{{Origin: "additional", Source: ref, Root: c.Image(false, c.Layer(99, ocitest.LayerGzip)), Tags: []string{"v1"}}}
	g, err := oci.ReadGraph(t.Context(), images, func(oci.Image) (oci.Source, error) { return c, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	return ContentOf(g)
}

// id is the ID of the nth bundle.
func id(n int) string { return fmt.Sprintf("bundle%010d", n) }

// finger is a fingerprint that begins with n.
func finger(n int) bundle.Fingerprint {
	return bundle.Fingerprint(fmt.Sprintf("%016x%s", n, strings.Repeat("e", 48)))
}

func (s Store) mustReserve(t testing.TB, r Reservation) (bundle.Stream, int) {
	t.Helper()
	stream, n, err := s.Reserve(r)
	if err != nil {
		t.Fatal(err)
	}
	return stream, n
}

// made adds the nth bundle, finished, and gives its number.
func (s Store) made(t testing.TB, n int) int {
	t.Helper()
	stream, number := s.mustReserve(t, Reservation{Bundle: id(n), Dir: "/drive", Config: "/etc/weekly.yaml", Content: content(t)})
	if err := s.Sealed(bundle.Seal{Bundle: id(n), Fingerprint: finger(n), Stream: stream, Sequence: number, Verified: true}, "/drive"); err != nil {
		t.Fatal(err)
	}
	return number
}

func (s Store) mustRead(t testing.TB) *Ledger {
	t.Helper()
	l, err := Read(s.state, s.name)
	if err != nil || l == nil {
		t.Fatalf("%v, %v", l, err)
	}
	return l
}

// TestBundles has a stream of bundles counted, kept and confirmed.
func TestBundles(t *testing.T) {
	t.Parallel()
	s := At(filepath.Join(t.TempDir(), "satchel"), "weekly")
	if l, err := Read(s.state, s.name); l != nil || err != nil {
		t.Errorf("before the first: %v, %v", l, err)
	}
	begun, err := s.Prepare()
	if err != nil || begun.Next != 1 || begun.Stream().Check() != nil {
		t.Fatalf("%+v, %v", begun, err)
	}
	catalog := Catalog{Name: "registry.example/catalog:v1", Digest: oci.Digest([]byte("catalog")), Path: "catalog", Tags: []string{"v1"}}
	reserve := func(n int) (bundle.Stream, int) {
		return s.mustReserve(t, Reservation{Bundle: id(n), Dir: "/drive", Config: "/etc/weekly.yaml", Content: content(t), Catalogs: []Keep{{catalog, func(w io.Writer) error {
			_, err := io.WriteString(w, `{"schema":"olm.package","name":"etcd"}`+"\n")
			return err
		}}}})
	}
	stream, n := reserve(1)
	if again, m := reserve(1); n != 1 || m != 1 || stream != again || stream != begun.Stream() {
		t.Errorf("bundle 1 is %d of %s, and then %d of %s", n, stream, m, again)
	}
	if err := s.Sealed(bundle.Seal{Bundle: id(1), Fingerprint: finger(1), Stream: stream, Sequence: 1}, "/drive"); err != nil {
		t.Fatal(err)
	}
	if got := s.made(t, 2); got != 2 {
		t.Errorf("the second bundle is %d", got)
	}
	l := s.mustRead(t)
	b := l.Bundles[0]
	if l.Next != 3 || l.Config != "/etc/weekly.yaml" || l.Arrived() != nil || b.Fingerprint != finger(1) || b.Verified || !l.Bundles[1].Verified || b.Count.Blobs != 2 || b.Count.Bytes == 0 {
		t.Errorf("%+v", l)
	}
	if got, err := s.Content(b); err != nil || !reflect.DeepEqual(got, content(t)) {
		t.Errorf("content %+v, %v", got, err)
	}
	if len(b.Catalogs) != 1 || b.Catalogs[0].Name != catalog.Name || b.Catalogs[0].Digest != catalog.Digest {
		t.Fatalf("catalogs %+v", b.Catalogs)
	}
	r, err := s.OpenCatalog(b.Catalogs[0])
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(body) != `{"schema":"olm.package","name":"etcd"}`+"\n" {
		t.Errorf("catalog %q, %v", body, err)
	}
}

// TestAtOnce gives bundles that are packed at the same time numbers of their own.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	const many = 16
	c := content(t)
	var mu sync.Mutex
	var got []int
	var streams []bundle.Stream
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() {
			_, err := s.Prepare()
			stream, number, rerr := s.Reserve(Reservation{Bundle: id(n), Content: c})
			mu.Lock()
			defer mu.Unlock()
			got, streams = append(got, number), append(streams, stream)
			if err := errors.Join(err, rerr); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	slices.Sort(got)
	slices.SortFunc(streams, func(a, b bundle.Stream) int { return strings.Compare(a.Ledger, b.Ledger) })
	if len(slices.Compact(got)) != many || got[0] != 1 || got[many-1] != many || len(slices.Compact(streams)) != 1 {
		t.Errorf("numbers %v of %v", got, streams)
	}
	if entries, err := os.ReadDir(s.dir()); err != nil || len(entries) != many+1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

// TestNumberInTheJournal never gives a number that a bundle already has, also where the
// ledger is older than the bundle's journal.
func TestNumberInTheJournal(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	s.made(t, 1)
	stream := s.mustRead(t).Stream()
	if _, n := s.mustReserve(t, Reservation{Bundle: id(2), Stream: stream, Sequence: 9, Content: content(t)}); n != 9 {
		t.Errorf("the number of the journal became %d", n)
	}
	other := bundle.Stream{Ledger: strings.Repeat("a", 32), Name: "weekly"}
	if _, n := s.mustReserve(t, Reservation{Bundle: id(3), Stream: other, Sequence: 99, Content: content(t)}); n != 10 {
		t.Errorf("the number of another ledger became %d", n)
	}
	found := bundle.Seal{Bundle: id(4), Fingerprint: finger(4), Stream: stream, Sequence: 5}
	taken := bundle.Seal{Bundle: id(5), Fingerprint: finger(5), Stream: stream, Sequence: 9}
	foreign := bundle.Seal{Bundle: id(6), Fingerprint: finger(6), Stream: other, Sequence: 3}
	if err := errors.Join(s.Sealed(found, "/d"), s.Sealed(taken, "/d"), s.Sealed(foreign, "/d")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range s.mustRead(t).Bundles {
		got = append(got, fmt.Sprint(b.Sequence, b.Bundle))
	}
	if want := []string{"1" + id(1), "5" + id(4), "9" + id(2), "10" + id(3)}; !slices.Equal(got, want) {
		t.Errorf("the ledger has %v", got)
	}
	if n := s.made(t, 7); n != 11 {
		t.Errorf("the next one is %d", n)
	}
}

// TestBounded keeps content of the last bundles and of the newest that arrived, and every
// bundle by name.
func TestBounded(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	for n := 1; n <= Kept+3; n++ {
		s.made(t, n)
		if n == 2 {
			if _, err := Confirm(s.state, string(finger(2)), Arrival{How: ByReceipt}); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := s.mustRead(t)
	var kept []int
	for _, b := range l.Bundles {
		if _, err := s.Content(b); err == nil {
			kept = append(kept, b.Sequence)
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if len(l.Bundles) != Kept+3 || len(kept) != Kept+1 || kept[0] != 2 || kept[1] != 4 {
		t.Errorf("of %d bundles %v are kept", len(l.Bundles), kept)
	}
	if entries, err := os.ReadDir(s.dir()); err != nil || len(entries) != Kept+2 {
		t.Errorf("the directory has %d files, %v", len(entries), err)
	}
	late, err := Confirm(s.state, string(finger(3)), Arrival{How: BySlip})
	if err != nil || late.Bundle.Content != "" || late.Newest.Sequence != 3 {
		t.Errorf("confirmed late: %+v, %v", late, err)
	}
}

// TestConfirm finds a bundle by its fingerprint or the beginning of it, in any ledger.
func TestConfirm(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	north, south := At(state, "north"), At(state, "south")
	for n := 1; n <= 3; n++ {
		north.made(t, n)
	}
	south.made(t, 10)
	before := time.Now().Add(-time.Second)
	c, err := Confirm(state, string(finger(2)), Arrival{How: BySlip})
	if err != nil || c.Stream.Name != "north" || c.Bundle.Sequence != 2 || c.Before || c.Newest.Sequence != 2 || c.Bundle.How != BySlip || c.Bundle.Confirmed.Before(before) {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Confirm(state, string(finger(2))[:16], Arrival{How: ByReceipt}); err != nil || !c.Before || c.Bundle.How != BySlip {
		t.Errorf("again: %+v, %v", c, err)
	}
	if c, err := Confirm(state, string(finger(1)), Arrival{How: BySlip}); err != nil || c.Before || c.Newest.Sequence != 2 {
		t.Errorf("an older one: %+v, %v", c, err)
	}
	if b := north.mustRead(t).Arrived(); b == nil || b.Sequence != 2 {
		t.Errorf("arrived: %+v", b)
	}
	if c, err := Confirm(state, string(finger(10)), Arrival{How: BySlip}); err != nil || c.Stream.Name != "south" {
		t.Errorf("of another ledger: %+v, %v", c, err)
	}
	var unknown *UnknownError
	if _, err := Confirm(state, string(finger(99)), Arrival{How: BySlip}); !errors.As(err, &unknown) || len(unknown.Known) != 4 || unknown.Known[0].Sequence != 3 || unknown.Known[1].Stream != "south" || !strings.Contains(unknown.Hint(), finger(3)[:16].Grouped()+" (bundle 3 of north)") {
		t.Errorf("unknown: %v", err)
	}
	if _, err := Confirm(t.TempDir(), string(finger(1)), Arrival{How: BySlip}); !errors.As(err, &unknown) || len(unknown.Known) != 0 {
		t.Errorf("without ledgers: %v", err)
	}
	stream := south.mustRead(t).Stream()
	if _, n := south.mustReserve(t, Reservation{Bundle: id(11), Content: content(t)}); n != 2 {
		t.Fatal(n)
	}
	like := finger(10)[:20] + bundle.Fingerprint(strings.Repeat("0", 44))
	if err := south.Sealed(bundle.Seal{Bundle: id(11), Fingerprint: like, Stream: stream, Sequence: 2}, "/d"); err != nil {
		t.Fatal(err)
	}
	var several *AmbiguousError
	if _, err := Confirm(state, string(like[:18]), Arrival{How: BySlip}); !errors.As(err, &several) || len(several.Known) != 2 {
		t.Errorf("two that begin alike: %v", err)
	}
	if c, err := Confirm(state, string(like), Arrival{How: BySlip}); err != nil || c.Bundle.Sequence != 2 {
		t.Errorf("all digits of one: %+v, %v", c, err)
	}
}

func TestParseBeginning(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("0123456789abcdef", 4)
	for given, want := range map[string]string{
		"01234567 89ABCDEF": whole[:16], " 01:23:45:67:89:ab:cd:ef:01 ": whole[:18], whole: whole, "01234567-89abcdef": whole[:16],
		"0123456789abcde": "", "": "", whole + "0": "", "0123456789abcdeg": "", "0123456789abcdef\n": "",
	} {
		if got, err := ParseBeginning(given); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
}

func TestNameOf(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/etc/weekly.yaml": "weekly", "ISC Site 1.yml": "isc-site-1", "-": "stdin", "./imageset": "imageset", "/a/.hidden": "default", "Ünïcode.yaml": "n-code",
		"/x/a.b.c.yaml": "a.b.c", "/x/__.yaml": "default", strings.Repeat("x", 90) + ".yaml": strings.Repeat("x", 64), "/dev/fd/63": "63",
	} {
		if got := NameOf(file); got != want || bundle.CheckStreamName(got) != nil {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
