package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// weeksForm is how a number of weeks goes. Weeks count from 1.
type weeksForm struct {
	churnForm
	lost  int  // its bundle never arrives
	late  int  // its bundle is unpacked after the next one
	twice int  // its bundle is unpacked twice
	keep  int  // so many bundles are left by prune
	whole bool // pack each week whole too, for comparison, and prune three times
}

// weeksRun is one packing host and the sites that its bundles go to.
type weeksRun struct {
	weeksForm
	*world
	t      *testing.T
	set    *churnSet
	source string // host of the registry outside
	conf   string
	graph  *graphServer
	pushed map[string]bool // references outside, with digests
	weeks  []*churnWeek
	sites  []*weeksSite
	known  bool // a bundle is known to have arrived
	rows   []weekRow
	sizes  string // of the last receipt
}

// weekRow is one line of the table of docs/bench.md.
type weekRow struct {
	week, changed, images, newImages, newBlobs int
	carried, whole                             int64 // bytes on the drive
	pack, unpack                               time.Duration
}

func newWeeksRun(t *testing.T, f weeksForm, source string) *weeksRun {
	t.Helper()
	r := &weeksRun{weeksForm: f, world: newWorld(t), t: t, set: newChurnSet(t, f.churnForm), source: source, graph: newGraphServer(t), pushed: map[string]bool{}}
	r.imageset(churnConfig)
	r.conf = filepath.Join(r.dir, "registries.conf")
	text := ""
	for _, host := range []string{"quay.io", "registry.redhat.io"} {
		text += fmt.Sprintf("[[registry]]\nprefix = %q\nlocation = %q\ninsecure = true\n\n", host, source+"/"+host)
	}
	if err := os.WriteFile(r.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// all goes through the weeks, prunes, and has one more week arrive.
func (r *weeksRun) all() {
	r.t.Helper()
	for n := 1; n <= r.weeksForm.churnForm.weeks; n++ {
		r.week(n)
	}
	r.prune()
	r.week(r.weeksForm.churnForm.weeks + 1)
}

// week packs a week's bundle, and has it arrive.
func (r *weeksRun) week(n int) {
	r.t.Helper()
	r.publish(r.set.week(n))
	r.packWeek(n)
	if n == r.lost || n == r.late {
		return
	}
	arrived := []int{n}
	if n == r.late+1 && r.late > 0 {
		arrived = append(arrived, r.late)
	}
	for _, s := range r.sites {
		for _, k := range arrived {
			s.unpack(k)
		}
		if n == r.twice || len(arrived) > 1 {
			for _, k := range arrived {
				s.again(k)
			}
		}
		s.collect()
		s.check(r.last(r.keep))
	}
	confirm := []string{"confirm"} // by the receipts that come back
	for _, k := range arrived {
		confirm = append(confirm, filepath.Join(r.sites[0].out(k), "receipt.json"))
	}
	r.world.run(confirm...).want(exitOK)
	r.known = true
}

// prune deletes at each site what only older bundles brought. Of the second one's cluster there
// are files: it is still at the first week.
func (r *weeksRun) prune() {
	r.t.Helper()
	for i, s := range r.sites {
		var used *churnWeek
		if i > 0 {
			used = r.weeks[0]
		}
		s.prune(r.last(r.keep), used)
	}
}

// last lists the newest n weeks that arrived.
func (r *weeksRun) last(n int) []*churnWeek {
	list := slices.DeleteFunc(slices.Clone(r.weeks), func(w *churnWeek) bool { return !r.sites[0].arrived[w.number] })
	return list[max(0, len(list)-n):]
}

// publish puts a week's images into the registry outside.
func (r *weeksRun) publish(w *churnWeek) {
	r.t.Helper()
	r.weeks = append(r.weeks, w)
	for _, p := range w.source {
		ref, err := oci.ParseRef(p.ref)
		if err != nil {
			r.t.Fatal(err)
		}
		key := p.ref + " " + p.root.Digest.String()
		if ref.Tag == "" {
			ref.Tag = "made-" + p.root.Digest.Encoded()[:16]
		}
		if r.pushed[key] {
			continue
		}
		r.pushed[key] = true
		if err := ocitest.Push(r.t.Context(), r.set.c, p.root, "http://"+r.source, repoOf(ref), ref.Tag); err != nil {
			r.t.Fatal(err)
		}
	}
	into(r.t, r.set.c, oci.Mirror{Host: r.source, Namespace: "quay.io"}, w.noted)
	r.graph.mu.Lock()
	r.graph.graphs["amd64 stable-4.16"] = graphOf(r.t, r.weeks)
	r.graph.mu.Unlock()
}

// bundleDir is where a week's bundle is.
func (r *weeksRun) bundleDir(n int) string { return filepath.Join(r.dir, fmt.Sprint("week-", n)) }

func (r *weeksRun) packWeek(n int) {
	r.t.Helper()
	pack := func(dir string, more ...string) result {
		on := *r.world
		on.drive = dir
		return on.withGraph(r.graph.URL, on.pack(append(more, "--registries-conf", r.conf)...)...).want(exitOK)
	}
	w := r.weeks[n-1]
	row := weekRow{week: n, changed: w.changed}
	if r.whole {
		dir := filepath.Join(r.dir, "whole")
		pack(dir, "--stream", "whole", "--catalog", "merge")
		if row.whole = sizeOf(r.t, dir); os.RemoveAll(dir) != nil {
			r.t.Fatal("the whole bundle stays")
		}
	}
	var more []string
	if r.known {
		more = []string{"--since", "last"}
	} else {
		more = []string{"--catalog", "merge"}
	}
	done := pack(r.bundleDir(n), more...)
	r.t.Logf("week %d, %v\n%s", n, done.took, done.stderr)
	row.pack, row.carried = done.took, sizeOf(r.t, r.bundleDir(n))
	r.carries(w, &row)
	r.rows = append(r.rows, row)
}

// carries holds what the bundle names against what was published, and takes up the catalog,
// which satchel has built.
func (r *weeksRun) carries(w *churnWeek, row *weekRow) {
	r.t.Helper()
	on := *r.world
	on.drive = r.bundleDir(w.number)
	got := on.inspected()
	row.images, row.newBlobs = len(got.Images), got.Blobs
	r.set.grows(w.number, got.Catalogs)
	want := map[string]bool{}
	for _, p := range w.images {
		want[p.source] = true
	}
	for _, img := range got.Images {
		if !img.LeftOut {
			row.newImages++
		}
		ref := img.Source.WithDigest(img.Digest).String()
		switch {
		case img.Subject != "": // checked in the mirror
		case img.Origin == manifests.OriginCatalog:
			w.images = append(w.images, placed{ref, img.Source.Repository, img.Tags[0], oci.DigestTag(img.Digest), oci.Descriptor{MediaType: img.MediaType, Digest: img.Digest}})
		case !want[ref]:
			r.t.Errorf("week %d: %s is in the bundle", w.number, ref)
		default:
			delete(want, ref)
		}
	}
	for ref := range want {
		r.t.Errorf("week %d: %s is not in the bundle", w.number, ref)
	}
}

// sizeOf is the number of bytes of all files in a directory.
func sizeOf(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// receiptFits holds a receipt against the size that it may have.
func receiptFits(t testing.TB, file string) string {
	t.Helper()
	body := readFile(t, file)
	r, err := receipt.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	limit := 600 + 40*len(r.Blobs) + 200*len(r.Images)
	if len(body) > limit {
		t.Errorf("%s has %d bytes for %d blobs and %d images: more than %d", file, len(body), len(r.Blobs), len(r.Images), limit)
	}
	return fmt.Sprintf("%d bytes for %d blobs and %d images", len(body), len(r.Blobs), len(r.Images))
}

// table prints what was carried each week, as docs/bench.md has it.
func (r *weeksRun) table() {
	var b strings.Builder
	b.WriteString("\n| week | components changed | images, new ones | bundle MiB | whole bundle MiB | of it | pack s | unpack s | |\n|---|---|---|---|---|---|---|---|---|\n")
	mib := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
	var carried, whole int64
	for _, w := range r.rows[:r.weeksForm.churnForm.weeks] {
		note := map[int]string{r.lost: "lost", r.late: "late", r.twice: "twice"}[w.week]
		unpack := ""
		if w.unpack > 0 {
			unpack = fmt.Sprintf("%.1f", w.unpack.Seconds())
		}
		fmt.Fprintf(&b, "| %d | %d | %d, %d | %s | %s | %.0f%% | %.1f | %s | %s |\n", w.week, w.changed, w.images, w.newImages,
			mib(w.carried), mib(w.whole), 100*float64(w.carried)/float64(max(w.whole, 1)), w.pack.Seconds(), unpack, note)
		carried, whole = carried+w.carried, whole+w.whole
	}
	fmt.Fprintf(&b, "| all | | | %s | %s | %.0f%% | | | |\n", mib(carried), mib(whole), 100*float64(carried)/float64(max(whole, 1)))
	for _, s := range r.sites {
		fmt.Fprintf(&b, "\n%s: %s MiB in its storage after the last week; after prune --keep %d and garbage collection %s MiB", s.name, mib(s.before), r.keep, mib(s.after))
	}
	fmt.Fprintf(&b, "\nreceipt of the newest bundle: %s", r.sizes)
	fmt.Println(b.String()) // go test shows it in the package's directory, as make weeks runs it
}

// TestWeeks goes through four weeks of a public release history: the second week's bundle is
// lost, the third comes after the fourth, which is unpacked twice. make soak has eight weeks.
func TestWeeks(t *testing.T) {
	t.Parallel()
	r := newWeeksRun(t, weeksForm{churnForm: churnForm{seed: 1201, minor: "4.16", weeks: 4, only: 3, layer: 8 << 10, retired: 4}, lost: 2, late: 3, twice: 4, keep: 2},
		registrytest.StartOlareg(t).Host)
	v3 := registrytest.StartV3(t, false, "", "")
	r.site("distribution 3", v3.Host, v3.Dir, func() { v3.Collect(t, true) }, false)
	r.all()
}

// TestEightWeeks is the same with eight weeks, all components and two registries.
func TestEightWeeks(t *testing.T) {
	if os.Getenv("SATCHEL_SOAK") == "" {
		t.Skip("make soak, or make weeks, goes through eight weeks")
	}
	r := newWeeksRun(t, weeksForm{churnForm: churnForm{seed: 1202, minor: "4.16", weeks: 8, copies: 8, layer: 400 << 10, retired: 6}, lost: 3, late: 5, twice: 7, keep: 3, whole: true},
		registrytest.Start(t).Host)
	v3, v2 := registrytest.StartV3(t, false, "", ""), registrytest.Start(t)
	r.site("distribution 3", v3.Host, v3.Dir, func() { v3.Collect(t, true) }, false)
	r.site("docker-registry 2.8", v2.Host, v2.Dir, func() { v2.Collect(t, false) }, true).keepsTags = true
	r.all()
	r.table()
	last := r.last(1)[0]
	n := newNode(t, r.sites[0].host, r.sites[0].out(last.number))
	var refs []string
	for _, p := range last.images {
		if p.repo != catalogRepo { // satchel built it, and a CatalogSource names it in the mirror
			refs = append(refs, p.source)
		}
	}
	n.skopeo(t, sample(slices.Sorted(slices.Values(refs)), 5))
}

// keysOf lists the keys of a map in order.
func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
