package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// plan runs plan with the configuration and reads what it says.
func (w *world) plan(code int, more ...string) (*plan.Report, result) {
	w.t.Helper()
	r := w.run(append([]string{"plan", "-c", w.config, "--tls-verify=false", "-o", "json"}, more...)...)
	var rep plan.Report
	if r.code != code {
		w.t.Fatalf("exit %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		w.t.Fatalf("%v\n%s", err, r.stdout)
	}
	return &rep, r
}

// taken is the bytes of all files on the drive.
func (w *world) taken() (n int64) {
	w.t.Helper()
	err := filepath.WalkDir(w.drive, func(_ string, e fs.DirEntry, err error) error {
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
		w.t.Fatal(err)
	}
	return n
}

// planSet is a set of images and how it is packed.
type planSet struct {
	// put puts the images into a registry, below a name, and gives their references.
	put         func(t testing.TB, c *ocitest.Content, host, name string) []string
	flags       []string
	postQuantum bool
	upper       bool
	attached    int
}

type roots = map[string]oci.Descriptor

// pushed makes a set of images that are pushed by their tag, name:tag.
func pushed(content func(t testing.TB, c *ocitest.Content) roots) func(testing.TB, *ocitest.Content, string, string) []string {
	return func(t testing.TB, c *ocitest.Content, host, name string) (refs []string) {
		for tag, root := range content(t, c) {
			refs = append(refs, push(t, c, root, host, name+"/"+tag, "v1"))
		}
		slices.Sort(refs)
		return refs
	}
}

// small adds layers that are really compressed.
func small(t testing.TB, c *ocitest.Content, n, size int) []oci.Descriptor {
	t.Helper()
	list, err := c.Gzips(n, size)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func planSets() map[string]planSet {
	gz := func(c *ocitest.Content, size int) oci.Descriptor { return c.Layer(size, ocitest.LayerGzip) }
	return map[string]planSet{
		"tiny": {put: pushed(func(t testing.TB, c *ocitest.Content) roots {
			return roots{"one": c.Image(false, small(t, c, 1, 2000)...)}
		})},
		"three tiny ones": {put: pushed(func(t testing.TB, c *ocitest.Content) roots {
			l := small(t, c, 3, 20<<10)
			return roots{"one": c.Image(false, l[0]), "two": c.Image(true, l[1]), "three": c.Image(false, l[2])}
		})},
		"kinds": {put: pushed(func(_ testing.TB, c *ocitest.Content) roots { return c.Kinds() }), flags: []string{"--segment-size", "2MiB"}, upper: true}, // it has a small layer that is not compressed
		"many": {put: pushed(func(t testing.TB, c *ocitest.Content) roots {
			return roots{"many": c.Image(false, small(t, c, 100, 12<<10)...)}
		})},
		"segments": {put: pushed(func(_ testing.TB, c *ocitest.Content) roots {
			return roots{"long": c.Image(false, gz(c, 9<<20), gz(c, 200<<10))}
		}), flags: []string{"--segment-size", "1MiB", "--lanes", "2"}},
		"shared": {put: pushed(func(t testing.TB, c *ocitest.Content) roots {
			base, all := gz(c, 3<<20), roots{}
			for i := range 6 {
				all[fmt.Sprint("app", i)] = c.Image(i%2 == 0, base, gz(c, 100<<10*(i+1)))
			}
			return all
		}), flags: []string{"--lanes", "7"}},
		"index": {put: pushed(func(t testing.TB, c *ocitest.Content) roots {
			l := small(t, c, 3, 30<<10)
			return roots{"multi": c.Index(false, c.Image(false, l[0]), c.ImageFor("arm64", false, l[1]), c.ImageFor("s390x", false, l[2]))}
		})},
		"attached": {put: func(t testing.TB, c *ocitest.Content, host, name string) []string {
			root := c.Image(false, gz(c, 400<<10))
			note := referrer(t, c, root, small(t, c, 1, 5000)...)
			tag := "sha256-" + root.Digest.Encoded() + ".sig"
			ref := oci.Ref{Registry: "x.example", Repository: name}
			into(t, c, oci.Mirror{Host: host},
				oci.Image{Source: ref.WithTag("v1"), Root: root, Tags: []string{"v1"}},
				oci.Image{Source: ref.WithDigest(note.Digest), Root: note, Subject: root.Digest},
				oci.Image{Source: ref.WithTag(tag), Root: c.Artifact("application/vnd.example.cosign", small(t, c, 1, 3000)...), Tags: []string{tag}})
			return []string{host + "/" + name + ":v1"}
		}, attached: 2},
		"uncompressed": {put: pushed(func(_ testing.TB, c *ocitest.Content) roots {
			return roots{"plain": c.Image(false, c.Layer(3<<20, ocitest.LayerTar), gz(c, 1<<20))}
		}), upper: true},
		"zstd": {put: pushed(func(_ testing.TB, c *ocitest.Content) roots {
			return roots{"zstd": c.Image(false, c.Layer(5<<20, ocitest.LayerZstd), c.Layer(90<<10, ocitest.LayerZstd))}
		}), flags: []string{"--segment-size", "3MiB"}},
		"by digest": {put: func(t testing.TB, c *ocitest.Content, host, name string) []string {
			a, b := c.Image(false, gz(c, 2<<20)), c.Image(true, gz(c, 500<<10))
			push(t, c, a, host, name, "a")
			push(t, c, b, host, name, "b")
			return []string{host + "/" + name + "@" + a.Digest.String(), host + "/" + name + "@" + b.Digest.String()}
		}},
		"post-quantum": {put: pushed(func(t testing.TB, c *ocitest.Content) roots {
			return roots{"one": c.Image(false, small(t, c, 2, 4000)...)}
		}), postQuantum: true},
	}
}

// TestPlanAgainstPack plans sets and packs them.
func TestPlanAgainstPack(t *testing.T) {
	t.Parallel()
	host := newSource(t)
	sets := planSets()
	for i, name := range slices.Sorted(maps.Keys(sets)) {
		set := sets[name]
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if set.postQuantum {
				w.key = filepath.Join(w.dir, "pq.key")
				w.recipient = strings.TrimSpace(w.run("keygen", "--file", w.key, "--post-quantum").want(exitOK).stdout)
			}
			refs := set.put(t, ocitest.New(100+uint64(i)), host, strings.ReplaceAll(name, " ", "-"))
			w.images(refs...)
			got, _ := w.plan(exitOK, append([]string{"-r", w.recipient}, set.flags...)...)
			if _, err := os.Stat(w.drive); err == nil {
				t.Error("plan made the drive's directory")
			}
			w.run(w.pack(set.flags...)...).want(exitOK)
			checkPlan(t, w, got, len(refs), set)
		})
	}
}

// checkPlan holds a plan against the bundle on the drive.
func checkPlan(t *testing.T, w *world, got *plan.Report, images int, set planSet) {
	t.Helper()
	var have inspect.Report
	if err := json.Unmarshal([]byte(w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK).stdout), &have); err != nil {
		t.Fatal(err)
	}
	c := got.Carried
	if c.Bytes != have.BlobBytes || c.Manifests+c.Blobs != have.Blobs || c.Images != images || c.Attached != set.attached || len(got.Images) != len(have.Images) {
		t.Errorf("plan carries %+v; the bundle has %d images, %d blobs of %d bytes", c, len(have.Images), have.Blobs, have.BlobBytes)
	}
	var all int64
	for i, img := range got.Images {
		all += img.Bytes
		if fmt.Sprint(img.Image) != fmt.Sprint(have.Images[i]) {
			t.Errorf("plan says\n%+v, and inspect\n%+v", img.Image, have.Images[i])
		}
	}
	if all-c.Bytes != c.Saved {
		t.Errorf("the images have %d bytes together, %d once: %d saved?", all, c.Bytes, c.Saved)
	}
	taken := w.taken()
	off := float64(got.Written.Bytes-taken) / float64(taken)
	t.Logf("%d bytes are on the drive, plan says %+v (%+.2f%%)", taken, got.Written, off*100)
	if got.Written.UpperBound != set.upper || set.upper && off < 0 || !set.upper && math.Abs(off) > 0.01 {
		t.Errorf("%d bytes are on the drive, plan says %+v (%+.2f%%)", taken, got.Written, off*100)
	}
	if got.Drives[0].Size != 32e9 || got.Drives[0].Count != 1 || len(got.Drives) != 4 {
		t.Errorf("drives %+v", got.Drives)
	}
}

// TestPlanTwice reads nothing again that the first plan read, and no layer ever.
func TestPlanTwice(t *testing.T) {
	t.Parallel()
	c := ocitest.New(211)
	reg := newSource(t)
	layers := small(t, c, 3, 20<<10)
	push(t, c, c.Index(false, c.Image(false, layers[0]), c.ImageFor("arm64", true, layers[1])), reg, "app/multi", "v1")
	push(t, c, c.Image(false, layers[2]), reg, "app/one", "v1")
	proxy := registrytest.StartProxy(t, reg)
	w := newWorld(t)
	w.images(proxy.Host+"/app/multi:v1", proxy.Host+"/app/one:v1")
	first, _ := w.plan(exitOK)
	for _, r := range proxy.Requests() {
		if slices.ContainsFunc(layers, func(d oci.Descriptor) bool {
			return strings.HasPrefix(r, "GET ") && strings.Contains(r, d.Digest.String())
		}) {
			t.Errorf("plan reads a layer: %s", r)
		}
	}
	if proxy.Count("GET manifest") == 0 {
		t.Error("the first plan reads no manifest")
	}
	proxy.Reset()
	again, _ := w.plan(exitOK)
	if fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("the second plan is another:\n%+v\n%+v", first, again)
	}
	for _, r := range proxy.Requests() {
		if strings.HasPrefix(r, "GET ") && (strings.Contains(r, "/manifests/sha256:") || strings.Contains(r, "/blobs/") || strings.HasSuffix(r, "/manifests/v1")) {
			t.Errorf("read again: %s", r)
		}
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{"cache", "run", "inside.key", "imageset.yaml"}, e.Name()) {
			t.Errorf("plan left %s", e.Name())
		}
	}
}

// TestPlanReadsSmallOnly leaves configs unread where they are next to nothing.
func TestPlanReadsSmallOnly(t *testing.T) {
	t.Parallel()
	c := ocitest.New(212)
	reg := newSource(t)
	push(t, c, c.Index(false, c.Image(false, c.Layer(3<<20, ocitest.LayerGzip))), reg, "app/multi", "v1")
	proxy := registrytest.StartProxy(t, reg)
	w := newWorld(t)
	w.images(proxy.Host + "/app/multi:v1")
	if got, _ := w.plan(exitOK); got.Written.UpperBound || proxy.Count("GET blob") != 0 {
		t.Errorf("%+v, after reading %d blobs", got.Written, proxy.Count("GET blob"))
	}
}

// TestPlanShares counts what images have in common.
func TestPlanShares(t *testing.T) {
	t.Parallel()
	c := ocitest.New(213)
	host := newSource(t)
	base := c.Layer(100<<10, ocitest.LayerGzip)
	one, two := c.Image(false, base, c.Layer(10<<10, ocitest.LayerGzip)), c.Image(false, base, c.Layer(20<<10, ocitest.LayerGzip))
	w := newWorld(t)
	w.images(push(t, c, one, host, "app/one", "v1"), push(t, c, two, host, "app/two", "v1"))
	got, _ := w.plan(exitOK, "--drive-size", "1GB")
	if got.Carried.Shared != base.Size || got.Carried.Saved != base.Size || got.Images[0].Shared != base.Size || got.Images[1].Shared != base.Size {
		t.Errorf("the base layer has %d bytes: %+v", base.Size, got)
	}
	if got.Carried.Bytes != c.Size() || len(got.Origins) != 1 || got.Origins[0] != (plan.Origin{Origin: manifests.OriginAdditional, Images: 2, Bytes: c.Size(), Unique: c.Size()}) {
		t.Errorf("all is %d bytes: %+v", c.Size(), got)
	}
	if len(got.Drives) != 1 || got.Drives[0] != (plan.Drive{Size: 1e9, Free: 1e9, Count: 1}) {
		t.Errorf("drives %+v", got.Drives)
	}
}

// TestPlanGaps continues without images that are not available, when asked to.
func TestPlanGaps(t *testing.T) {
	t.Parallel()
	s := newGapSet(t)
	s.source.Alter = func(*http.Response) error { return nil } // plan reads no layer, so cannot know of bad ones
	w := newWorld(t)
	var refs []string
	for _, set := range []map[string]oci.Descriptor{s.good, s.bad} {
		for ref := range set {
			if !strings.Contains(ref, ".sig") {
				refs = append(refs, s.source.Host+"/"+ref)
			}
		}
	}
	slices.Sort(refs)
	w.images(refs...)
	if r := w.run(append([]string{"plan", "-c", w.config, "--tls-verify=false"}, promptly...)...).want(exitRegistry); r.stdout != "" {
		t.Errorf("data on stdout: %s", r.stdout)
	}
	got, r := w.plan(exitGaps, append([]string{"--keep-going"}, promptly...)...)
	if len(got.Gaps) != 3 || got.Carried.Images != len(refs)-3 {
		t.Errorf("%+v", got)
	}
	r.says("satchel: the plan lacks 3 images")
	table := w.run(append([]string{"plan", "-c", w.config, "--tls-verify=false", "--keep-going"}, promptly...)...)
	if table.code != exitGaps || strings.Count(table.stdout, "NOT CARRIED: ") != 3 {
		t.Errorf("exit %d\n%s", table.code, table.stdout)
	}
}

// TestPlanForeign leaves out foreign layers that their registry does not have, and so does inspect.
func TestPlanForeign(t *testing.T) {
	t.Parallel()
	c := ocitest.New(214)
	away := c.Layer(30<<10, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
	root := c.Image(true, away, c.Layer(300<<10, ocitest.LayerGzip))
	shelf := newShelf(c)
	shelf.tag("app/windows:v1", root)
	proxy := registrytest.StartProxy(t, shelf.listen(t))
	proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, away.Digest.String()) {
			http.NotFound(w, r)
			return true
		}
		return false
	}
	w := newWorld(t)
	w.images(proxy.Host + "/app/windows:v1")
	got, _ := w.plan(exitOK)
	w.run(w.pack()...).want(exitOK)
	checkPlan(t, w, got, 1, planSet{})
	if got.Carried.Bytes != c.Size()-away.Size {
		t.Errorf("%d bytes are carried, want %d", got.Carried.Bytes, c.Size()-away.Size)
	}
}

// TestPlanSmallDrive has plan say what pack does: a bundle that does not fit is refused.
func TestPlanSmallDrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ocitest.New(97)
	s := newShelf(c)
	host := s.listen(t)
	s.tags["team/app:v1"] = c.Image(false, c.Layer(5<<20, ocitest.LayerGzip), c.Layer(5<<20, ocitest.LayerGzip), c.Layer(5<<20, ocitest.LayerGzip))
	w.images(host + "/team/app:v1")
	w.smallDrive(13)
	_, r := w.plan(exitOK, "--drive", w.drive)
	r.says("the bundle does not fit onto "+w.drive, "pack refuses it")
	w.run(w.pack()...).want(exitDrive)
}
