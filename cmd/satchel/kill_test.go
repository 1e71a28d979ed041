package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

const (
	killLanes   = 3
	killLayers  = 8 // --parallel-layers
	killSegment = 4 << 20

	// socketBytes is what the source may have sent on one connection that the
	// killed process never read: the sender's socket buffer (tcp_wmem ends at 4
	// MiB). The receiver's stays small, because the source is slower than satchel.
	socketBytes = 4 << 20
	// receivedBytes is what the receiver's buffer may have where the drive is slower than
	// the source (tcp_rmem ends at 6 MiB), as exFAT by FUSE is on a busy machine.
	receivedBytes = 6 << 20
	// sourceRate is how fast the source serves blobs, in bytes a second.
	sourceRate = 64 << 20
)

// refetched is the most that one SIGKILL may cost, in bytes that the source has
// to serve again: of each lane the segment that was not durable yet and what was
// on its way; of the other fetches, all of small blobs, the whole blob, which is
// gathered in memory before it takes a lane.
func refetched(small int64) int64 {
	lane := int64(killSegment + socketBytes)
	if os.Getenv(onExFAT) != "" {
		lane += receivedBytes
	}
	return killLanes*lane + (killLayers-killLanes)*small
}

func kills() int {
	if os.Getenv("SATCHEL_SOAK") != "" {
		return 200
	}
	if os.Getenv(onExFAT) != "" {
		return 4
	}
	return 10
}

// seeded gives a generator whose seed is printed when the test fails.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SATCHEL_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("run again with SATCHEL_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

// killMiB is a size of the kill set, in bytes: half of it, but for the full counts.
func killMiB(n int) int {
	if os.Getenv("SATCHEL_SOAK") != "" {
		return n << 20
	}
	return n << 19
}

// killSet pushes about 43 MiB, or 85, in several images that share layers. old and new
// are two images for one tag.
func killSet(t testing.TB, c, other *ocitest.Content, host string) (images map[string]oci.Descriptor, old, moved oci.Descriptor) {
	t.Helper()
	base := c.Layer(killMiB(14), ocitest.LayerGzip)
	mid := c.Layer(killMiB(9), ocitest.LayerZstd)
	small := func() oci.Descriptor { return c.Layer(200<<10, ocitest.LayerGzip) }
	old = c.Image(false, base, small(), c.Layer(killMiB(11), ocitest.LayerGzip))
	images = map[string]oci.Descriptor{
		"team/app:v1":        old,
		"team/base:latest":   c.Image(true, base, small()),
		"other/tool:1.0":     c.Image(false, base, mid, small(), c.Layer(killMiB(20), ocitest.LayerGzip)),
		"other/arch:2":       c.Index(false, c.Image(false, mid, small()), c.ImageFor("arm64", false, mid, c.Layer(killMiB(16), ocitest.LayerTar))),
		"charts/artifact:v1": c.Artifact("application/vnd.example.thing", c.Layer(killMiB(15), "application/octet-stream")),
		"team/many:v1":       c.Kinds()["many"],
	}
	moved = other.Image(false, other.Layer(10<<10, ocitest.LayerGzip))
	for ref, root := range images {
		i := strings.LastIndex(ref, ":")
		push(t, c, root, host, ref[:i], ref[i+1:])
	}
	push(t, other, moved, host, "team/app", "other")
	return images, old, moved
}

// needed is the bytes of all that the images reach, each digest once.
func needed(t testing.TB, c *ocitest.Content, images map[string]oci.Descriptor) (total, small int64) {
	t.Helper()
	inv := &oci.Inventory{}
	for ref, root := range images {
		parsed, err := oci.ParseRef("registry.example/" + ref)
		if err != nil {
			t.Fatal(err)
		}
		inv.Images = append(inv.Images, oci.Image{Source: parsed, Root: root})
	}
	g, err := oci.ReadGraph(t.Context(), inv.Images, func(oci.Image) (oci.Source, error) { return c, nil }, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Blobs {
		total += n.Descriptor.Size
		if n.Descriptor.Size <= 4<<20 {
			small = max(small, n.Descriptor.Size)
		}
	}
	return total, small
}

// killed runs a command and kills it at a mark of the tap, in bytes or requests,
// plus a delay. It reports whether the command ended first.
func (w *world) killed(k *tap, bytes int64, requests int, delay time.Duration, args ...string) (result, bool) {
	w.t.Helper()
	r := w.disturbed(k, bytes, requests, func(p *os.Process) {
		kill := func() { _ = p.Signal(syscall.SIGKILL) } // it may have ended
		if delay == 0 {
			kill()
			return
		}
		time.AfterFunc(delay, kill)
	}, args...)
	return r, r.code >= 0
}

// moment chooses where to kill: mostly at a number of bytes, now and then at a request.
func moment(rnd *rand.Rand, left int64) (bytes int64, requests int, delay time.Duration) {
	if rnd.IntN(5) == 0 {
		return 0, 1 + rnd.IntN(60), 0
	}
	if rnd.IntN(3) == 0 {
		delay = time.Duration(rnd.IntN(40)) * time.Millisecond
	}
	return 1 + rnd.Int64N(max(1, left)), 0, delay
}

var segmentName = regexp.MustCompile(`^s-(\d\d)-\d{5}\.age$`)

// segmentsOf lists the drive's segments but those of the closing lane, with size and time.
func segmentsOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		m := segmentName.FindStringSubmatch(e.Name())
		info, err := e.Info()
		if os.IsNotExist(err) {
			continue // renamed by a pack that runs
		}
		if err != nil {
			t.Fatal(err)
		}
		if m != nil && m[1] != fmt.Sprintf("%02d", killLanes) {
			list[e.Name()] = fmt.Sprint(info.Size(), " ", info.ModTime())
		}
	}
	return list
}

func bytesIn(segments map[string]string) (n int64) {
	for _, s := range segments {
		var size int64
		_, _ = fmt.Sscan(s, &size) // written by segmentsOf
		n += size
	}
	return n
}

// TestKillPack kills pack by SIGKILL again and again. A tag moves in the source
// after the first run of each round.
func TestKillPack(t *testing.T) {
	rnd := seeded(t)
	source := newSource(t)
	proxy := registrytest.StartProxy(t, source)
	k := &tap{kind: "GET blob", rate: sourceRate}
	k.through(proxy)
	c := ocitest.New(rnd.Uint64())
	other := ocitest.New(99)
	images, old, moved := killSet(t, c, other, source)
	done, rounds := 0, 0
	for ; done < kills() && !t.Failed(); rounds++ {
		retag(t, source, "team/app", "v1", c, old)
		done += killRound(t, rnd, k, c, images, proxy.Host, kills()-done, func(begun bool) {
			if begun {
				retag(t, source, "team/app", "v1", other, moved)
			} else {
				retag(t, source, "team/app", "v1", c, old)
			}
		})
	}
	t.Logf("%d kills in %d rounds", done, rounds)
}

// killRound packs one bundle with at most so many kills, and returns how many there were.
func killRound(t *testing.T, rnd *rand.Rand, k *tap, c *ocitest.Content, images map[string]oci.Descriptor, host string, most int, move func(begun bool)) (kills int) {
	t.Helper()
	unique, small := needed(t, c, images)
	w := newWorld(t)
	var refs []string
	for ref := range images {
		refs = append(refs, host+"/"+ref)
	}
	w.images(refs...)
	pack := w.pack("--segment-size", "4MiB", "--lanes", fmt.Sprint(killLanes), "--parallel-layers", fmt.Sprint(killLayers))
	before := k.passed()
	for kills < most {
		have := segmentsOf(t, w.drive)
		left := unique - bytesIn(have)
		if left < 2<<20 || exists(filepath.Join(w.drive, "bundle.json")) {
			break
		}
		bytes, requests, delay := moment(rnd, left)
		r, ended := w.killed(k, bytes, requests, delay, pack...)
		if ended {
			r.want(exitOK)
			break
		}
		kills++
		if exists(filepath.Join(w.drive, "drive.json")) {
			move(true) // the images are pinned from here on
		}
		// A killed run never takes back what an earlier one made durable.
		checkKept(t, have, segmentsOf(t, w.drive))
	}
	if exists(filepath.Join(w.drive, "bundle.json")) {
		move(false) // a finished bundle is compared with what the tag names now
	}
	r := w.run(pack...).want(exitOK)
	served, bound := k.passed()-before, unique+int64(kills)*refetched(small)
	if served > bound {
		t.Errorf("after %d kills the source served %d bytes of %d, at most %d are allowed", kills, served, unique, bound)
	}
	t.Logf("%d kills: served %.2f of the unique bytes, %.1f MiB a kill", kills, float64(served)/float64(unique), float64(served-unique)/float64(max(1, kills))/(1<<20))
	checkPacked(t, w, c, images, host, strings.TrimSpace(r.stdout))
	return kills
}

// checkKept wants the segments of before unchanged in after, but for those that
// a kill left renamed and not recorded: one a lane at most.
func checkKept(t *testing.T, before, after map[string]string) {
	t.Helper()
	gone := 0
	for name, was := range before {
		// One that was renamed and not yet recorded when the kill came is fetched
		// again, under its number.
		if is, ok := after[name]; !ok || is != was {
			gone++
		}
	}
	if gone > killLanes {
		t.Errorf("%d segments that were durable are gone, at most one a lane may be", gone)
	}
}

// checkPacked holds a finished bundle against the images as they were at first.
func checkPacked(t *testing.T, w *world, c *ocitest.Content, images map[string]oci.Descriptor, host, fingerprint string) {
	t.Helper()
	w.run("verify", "--expect", fingerprint, w.drive).want(exitOK)
	var got inspect.Report
	if err := json.Unmarshal([]byte(w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK).stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Images) != len(images) {
		t.Errorf("%d images of %d", len(got.Images), len(images))
	}
	for _, i := range got.Images {
		if want := images[i.Source.Repository+":"+i.Source.Tag].Digest; i.Digest != want || i.Source.Registry != host {
			t.Errorf("%s is pinned to %s, want %s", i.Source, i.Digest, want)
		}
	}
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	compareAll(t, c, images, mirror)
	left, err := filepath.Glob(filepath.Join(w.drive, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestKillSeal kills pack as soon as each of the last files appears.
func TestKillSeal(t *testing.T) {
	c := ocitest.New(51)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("x/y:v1", c.Kinds()["many"])
	files := []string{"drive.json", "key-1.age", "s-04-00001.age.tmp", "s-04-00001.age", "index.age", "copy", "copy/index.age", "README.txt", "extras.json", "bundle.json"}
	most := 7
	if os.Getenv(onExFAT) != "" {
		most = 4
	}
	for _, name := range sample(files, most) {
		w := newWorld(t)
		w.images(host + "/x/y:v1")
		p := w.start(w.pack()...)
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for !exists(filepath.Join(w.drive, name)) {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Microsecond):
				}
			}
			_ = p.cmd.Process.Kill() // it may have ended
		}()
		r := p.wait()
		close(stop)
		<-ended
		if r.code >= 0 {
			t.Logf("not killed at %s: exit %d", name, r.code)
		}
		if !exists(filepath.Join(w.drive, "bundle.json")) && exists(filepath.Join(w.drive, "drive.json")) {
			// The drive seal may be complete already: then the message is another one.
			if r := w.run("verify", w.drive).want(exitDamaged); !regexp.MustCompile("unfinished|sealing was interrupted").MatchString(r.stderr) {
				t.Errorf("killed at %s: %s", name, r.stderr)
			}
		}
		r = w.run(w.pack()...).want(exitOK)
		w.run("verify", "--expect", strings.TrimSpace(r.stdout), w.drive).want(exitOK)
		if r := w.run("inspect", "-i", w.key, w.drive).want(exitOK); !strings.Contains(r.stdout, "1 image, 1 manifest, 41 blobs") {
			t.Errorf("killed at %s: %s", name, r.stdout)
		}
	}
}
