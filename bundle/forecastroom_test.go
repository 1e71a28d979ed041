package bundle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// blocks are clusters that file systems of drives have.
var blocks = []int64{4 << 10, 128 << 10, 1 << 20}

// taken is what the files of the drive take in clusters of that size, with two directories.
func (f *fixture) taken(t testing.TB, cluster int64) int64 {
	t.Helper()
	n := 2 * cluster
	for _, body := range files(t, f.drive) {
		n += roundUp(int64(len(body)), cluster)
	}
	return n
}

// few is by how much a forecast may be above what is taken: a few clusters, and what is not
// counted in clusters.
func (f *fixture) few(cluster int64) int64 { return int64(f.job.Lanes+5)*cluster + 64<<10 }

// mixed is a set of images with layers of all sizes up to size.
func mixed(c *ocitest.Content, seed uint64, images, size int) map[string]oci.Descriptor {
	random := rand.New(rand.NewPCG(seed, 1))
	roots := map[string]oci.Descriptor{}
	for i := range images {
		var layers []oci.Descriptor
		for range 5 {
			layers = append(layers, c.Layer(100+random.IntN(size>>random.IntN(10)), ocitest.LayerGzip))
		}
		roots[fmt.Sprint("image", i)] = c.Image(false, layers...)
	}
	return roots
}

// TestOnDrive is never below what a bundle takes on a drive, and only a few clusters above.
func TestOnDrive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		segment int64
		images  int
		size    int
	}{{MinSegmentSize, 1, 3 << 10}, {MinSegmentSize, 5, 4 << 20}, {4 << 20, 5, 6 << 20}, {DefaultSegmentSize, 4, 8 << 20}} {
		content := ocitest.New(uint64(c.segment) + uint64(c.size))
		f := newFixtureOf(t, content, mixed(content, uint64(c.size), c.images, c.size), c.segment, false)
		got, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
		if err != nil {
			t.Fatal(err)
		}
		f.packAtOnce(t)
		for _, cluster := range blocks {
			need, taken := got.OnDrive(cluster), f.taken(t, cluster)
			if need < taken || need > taken+f.few(cluster) {
				t.Errorf("segments of %d, %d images, clusters of %d: %d bytes are needed, %d are taken (%d clusters off)", c.segment, c.images, cluster, need, taken, (need-taken)/cluster)
			}
		}
	}
}

// TestForecastOfTheRest says what is missing of a bundle that was cut in the middle.
func TestForecastOfTheRest(t *testing.T) {
	t.Parallel()
	content := ocitest.New(311)
	f := newFixtureOf(t, content, mixed(content, 7, 5, 12<<20), 2*MinSegmentSize, false)
	whole, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
	if err != nil {
		t.Fatal(err)
	}
	w := f.writer(t)
	sorted := deal(f.graph.Blobs, 1)[0]
	for i, d := range sorted[:len(sorted)/2] {
		until := d.Size
		if i < 2 {
			until /= 2 // holds its lane
		}
		if err := w.Put(context.Background(), d, newWeak(f.content, d.Digest, until)); (err != nil) != (i < 2) {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	before := map[int64]int64{}
	for _, cluster := range blocks {
		before[cluster] = f.taken(t, cluster)
	}
	if w, err = Resume(t.Context(), f.drive, f.state, f.job, nil); err != nil {
		t.Fatal(err)
	}
	rest, err := w.Forecast(f.inv, f.graph, f.everything(t), nil)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	f.finish(t)
	for _, cluster := range blocks {
		need, taken := rest.OnDrive(cluster), f.taken(t, cluster)-before[cluster]
		if need < taken || need > taken+f.few(cluster) || need >= whole.OnDrive(cluster) {
			t.Errorf("clusters of %d: %d bytes are needed besides, %d were written (%d clusters off); %d for all", cluster, need, taken, (need-taken)/cluster, whole.OnDrive(cluster))
		}
	}
}

// TestCheckRoom compares bytes, and files where the file system counts them.
func TestCheckRoom(t *testing.T) {
	t.Parallel()
	f := Forecast{Bytes: 10 << 20, parts: []part{{files: []int64{10 << 20}, lanes: 1, bytes: 10 << 20}}}
	need := f.OnDrive(4096)
	for _, c := range []struct {
		room         Space
		more         int64
		bytes, files bool
	}{
		{Space{Free: need, Cluster: 4096, Files: -1}, 0, false, false},
		{Space{Free: need - 1, Cluster: 4096, Files: -1}, 0, true, false},
		{Space{Free: need - 1, Cluster: 4096, Files: -1}, 1, false, false},
		{Space{Free: need, Cluster: 1 << 20, Files: -1}, 0, true, false},
		{Space{Free: need, Cluster: 4096, Files: f.Files()}, 0, false, false},
		{Space{Free: need, Cluster: 4096, Files: f.Files() - 1}, 0, false, true},
		{Space{Unknown: true, Files: -1}, 0, false, false},
	} {
		var space *SpaceError
		err := f.CheckRoom("there", c.room, c.more)
		if refused := errors.As(err, &space); refused != (c.bytes || c.files) || err != nil && !refused {
			t.Errorf("%+v: %v", c.room, err)
		} else if refused && (space.NeedFiles > 0) != c.files {
			t.Errorf("%+v: %+v", c.room, space)
		}
	}
}
