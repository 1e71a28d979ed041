package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// everything reads any content, as plan does what is in its cache.
func (f *fixture) everything(t testing.TB) func(oci.Descriptor) ([]byte, bool) {
	return func(d oci.Descriptor) ([]byte, bool) {
		if d.Size > KnownBlob {
			return nil, false
		}
		r, err := f.content.Reader(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return body, true
	}
}

// packAtOnce is pack with several blobs at a time, as the command does it.
func (f *fixture) packAtOnce(t testing.TB) (bytes int64, segments int) {
	t.Helper()
	w := f.writer(t)
	var lists [2][]oci.Descriptor
	for _, list := range deal(f.graph.Blobs, 1) {
		for _, d := range list {
			n := 0
			if d.Size <= SmallBlob {
				n = 1
			}
			lists[n] = append(lists[n], d)
		}
	}
	var g errgroup.Group
	for i, limit := range []int{f.job.Lanes, 8} {
		g.Go(func() error {
			var g errgroup.Group
			g.SetLimit(limit)
			for _, d := range lists[i] {
				g.Go(func() error { return w.Put(context.Background(), d, f.content) })
			}
			return g.Wait()
		})
	}
	err := g.Wait()
	for _, n := range f.graph.Manifests {
		err = errors.Join(err, w.Put(context.Background(), n.Descriptor, f.content))
	}
	if err == nil {
		_, err = w.Seal(context.Background(), f.inv)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, body := range files(t, f.drive) {
		bytes += int64(len(body))
	}
	return bytes, len(segmentFiles(t, f.drive))
}

type forecastCase struct {
	roots       func(t testing.TB, c *ocitest.Content) map[string]oci.Descriptor
	segment     int64
	lanes       int
	postQuantum bool
	upper       bool
}

// gzips adds layers that are really compressed, see [ocitest.Content.Gzips].
func gzips(t testing.TB, c *ocitest.Content, n, size int) []oci.Descriptor {
	t.Helper()
	list, err := c.Gzips(n, size)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func layersOf(c *ocitest.Content, n, size int, mediaType string) (list []oci.Descriptor) {
	for range n {
		list = append(list, c.Layer(size, mediaType))
	}
	return list
}

func forecastCases() map[string]forecastCase {
	type roots = map[string]oci.Descriptor
	one := func(sizes ...int) func(t testing.TB, c *ocitest.Content) roots {
		return func(t testing.TB, c *ocitest.Content) roots {
			var layers []oci.Descriptor
			for _, n := range sizes {
				layers = append(layers, c.Layer(n, ocitest.LayerGzip))
			}
			return roots{"one": c.Image(false, layers...)}
		}
	}
	return map[string]forecastCase{
		"one tiny image": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"one": c.Image(false, gzips(t, c, 1, 2<<10)...)}
		}},
		"three tiny images": {roots: func(t testing.TB, c *ocitest.Content) roots {
			all := roots{}
			for i := range 3 {
				all[fmt.Sprint("image", i)] = c.Image(false, gzips(t, c, 1, 10<<10+i)...)
			}
			return all
		}},
		"kinds": {roots: func(t testing.TB, c *ocitest.Content) roots { return c.Kinds() }},
		"many small layers": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"many": c.Image(false, gzips(t, c, 120, 12<<10)...)}
		}},
		"a layer over segments": {roots: one(30<<20, 5<<20, 100<<10), segment: MinSegmentSize},
		"large segments":        {roots: one(30<<20, 9<<20, 5<<20, 7<<20, 6<<20, 12<<20)},
		"middle layers":         {roots: one(600<<10, 700<<10, 900<<10, 3<<20, 500<<10, 650<<10, 300<<10), segment: MinSegmentSize, lanes: 2},
		"zstd": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"zstd": c.Image(false, layersOf(c, 5, 2<<20, ocitest.LayerZstd)...)}
		}},
		"small tar": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"tar": c.Image(false, layersOf(c, 5, 200<<10, ocitest.LayerTar)...)}
		}},
		"large tar that does not compress": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"tar": c.Image(false, layersOf(c, 2, 6<<20, ocitest.LayerTar)...)}
		}, upper: true},
		"large text": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"text": c.Artifact("application/vnd.example", c.Blob([]byte(strings.Repeat("a text\n", 1<<20)), "text/plain"))}
		}, upper: true},
		"post-quantum": {roots: func(t testing.TB, c *ocitest.Content) roots {
			return roots{"one": c.Image(false, gzips(t, c, 2, 2<<10)...)}
		}, postQuantum: true},
		"post-quantum, many segments": {roots: one(8<<20, 300<<10), segment: MinSegmentSize, lanes: 9, postQuantum: true},
	}
}

// TestForecast is within 1% of what a bundle takes, or reported as an upper bound.
func TestForecast(t *testing.T) {
	for name, c := range forecastCases() {
		t.Run(name, func(t *testing.T) {
			content := ocitest.New(23)
			if c.segment == 0 {
				c.segment = DefaultSegmentSize
			}
			f := newFixtureOf(t, content, c.roots(t, content), c.segment, c.postQuantum)
			f.job.Lanes = max(c.lanes, DefaultLanes)
			got, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
			if err != nil {
				t.Fatal(err)
			}
			again, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("the second forecast is %+v (%v), the first %+v", again, err, got)
			}
			bytes, segments := f.packAtOnce(t)
			if onDrive := got.OnDrive(1 << 20); onDrive < got.Bytes || onDrive%(1<<20) != 0 {
				t.Errorf("%d bytes take %d in clusters of 1 MiB", got.Bytes, onDrive)
			}
			off := float64(got.Bytes-bytes) / float64(bytes)
			t.Logf("%d bytes in %d segments, forecast %d (%+.3f%%) in %d", bytes, segments, got.Bytes, off*100, got.Segments)
			if got.Upper != c.upper || c.upper && off < 0 || !c.upper && math.Abs(off) > 0.01 {
				t.Errorf("forecast %+v, and it takes %d bytes (%+.2f%%)", got, bytes, off*100)
			}
		})
	}
}

// TestForecastSegments refuses more segments than a drive.json may name, or a lane may have, before
// the first byte is written.
func TestForecastSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		gib  int64
		want string
	}{
		{70, ""},
		{90, "segments of 1MiB: a lane would have 1"},
		{200, "segments of 1MiB: the bundle would have 2"},
	} {
		g := &oci.Graph{Blobs: []oci.Node{{Descriptor: oci.Descriptor{MediaType: ocitest.LayerGzip, Digest: oci.Digest(nil), Size: c.gib << 30}}}}
		_, err := Job{SegmentSize: MinSegmentSize, Lanes: 1}.Forecast(&oci.Inventory{}, g, func(oci.Descriptor) ([]byte, bool) { return nil, false })
		refused, ok := errors.AsType[*RefusedError](err)
		if ok != (c.want != "") || ok && !strings.HasPrefix(refused.Error(), c.want) {
			t.Errorf("%d GiB: %v", c.gib, err)
		}
	}
}

// TestForecastUnread says that a forecast is an upper bound where it does not
// know what will be compressed, and it is one.
func TestForecastUnread(t *testing.T) {
	c := ocitest.New(29)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{"one": c.Image(false, gzips(t, c, 1, 2<<10)...)}, DefaultSegmentSize, false)
	got, err := f.job.Forecast(f.inv, f.graph, func(oci.Descriptor) ([]byte, bool) { return nil, false })
	if err != nil {
		t.Fatal(err)
	}
	if bytes, _ := f.packAtOnce(t); !got.Upper || got.Bytes < bytes {
		t.Errorf("forecast %+v, and it takes %d bytes", got, bytes)
	}
	f.add(t, "large", c.Image(false, layersOf(c, 2, 6<<20, ocitest.LayerGzip)...))
	if got, err = f.job.Forecast(f.inv, f.graph, func(oci.Descriptor) ([]byte, bool) { return nil, false }); err != nil || got.Upper {
		t.Errorf("beside 12 MiB a config of some bytes is no reason for an upper bound: %+v, %v", got, err)
	}
}

// TestForecastRecipients counts key files for recipients of all kinds, and makes no requests.
func TestForecastRecipients(t *testing.T) {
	c := ocitest.New(31)
	f := newFixtureOf(t, c, map[string]oci.Descriptor{"one": c.Image(false, gzips(t, c, 1, 2<<10)...)}, DefaultSegmentSize, true)
	forecast := func(to ...Recipient) int64 {
		t.Helper()
		f.job.Recipients = to
		got, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
		if err != nil {
			t.Fatal(err)
		}
		return got.Bytes
	}
	pq := f.job.Recipients[0]
	plugin, err := ParseRecipients([]string{"age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	none, one, withPlugin := forecast(), forecast(pq), forecast(pq, plugin[0])
	asked := &UI{Ask: func(string, bool) (string, error) {
		t.Error("the passphrase is asked for")
		return "", errors.New("nobody is there")
	}}
	both := forecast(pq, AskPassphrase(asked, "Passphrase", true).Recipient())
	if one < none+2<<10 || withPlugin < one+2<<10 || both < one+1000 {
		t.Errorf("%d bytes for nobody in particular, %d for a post-quantum key, %d for a plugin too, %d for a passphrase too", none, one, withPlugin, both)
	}
	f.job.Lanes = 0
	if _, err := f.job.Forecast(f.inv, f.graph, f.everything(t)); err == nil {
		t.Error("a job of no lanes is forecast")
	}
}

// TestDrives counts the drives that a set needs.
func TestDrives(t *testing.T) {
	t.Parallel()
	node := func(i int, size int64) oci.Node {
		return oci.Node{Descriptor: oci.Descriptor{MediaType: ocitest.LayerGzip, Digest: oci.Digest(fmt.Append(nil, i)), Size: size}}
	}
	graph := func(sizes ...int64) *oci.Graph {
		g := &oci.Graph{}
		for i, n := range sizes {
			g.Blobs = append(g.Blobs, node(i, n))
		}
		return g
	}
	const gb = 1e9
	nothing := func(oci.Descriptor) ([]byte, bool) { return nil, false }
	job := Job{SegmentSize: DefaultSegmentSize, Lanes: DefaultLanes}
	over := func(g *oci.Graph, capacity int64) (*Spread, error) {
		return job.SpreadOver(&oci.Inventory{}, g, nothing, Room{More: Capacity{capacity, 4096}})
	}
	for _, c := range []struct {
		g        *oci.Graph
		capacity int64
		want     int
	}{
		{graph(), gb, 1},
		{graph(10, 20), gb, 1},
		{graph(gb/2, gb/4, gb/5), gb, 1},
		{graph(gb/2, gb/4, gb/5, gb/10), gb, 2},
		{graph(6*gb/10, 6*gb/10, 6*gb/10), gb, 3}, // no blob is spread
		{graph(6*gb/10, 3*gb/10, 6*gb/10, 3*gb/10), gb, 2},
	} {
		s, err := over(c.g, c.capacity)
		if err != nil || len(s.Drives) != c.want {
			t.Errorf("%d blobs on drives of %d: %+v, %v; want %d", len(c.g.Blobs), c.capacity, s, err, c.want)
			continue
		}
		again, err := over(c.g, c.capacity)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("a second time it is another, %v", err)
		}
		for i, d := range s.Drives {
			if d.Need > c.capacity || s.Forecast.On(i+1).OnDrive(4096) > d.Need {
				t.Errorf("drive %d of %d takes %d of %d", i+1, c.want, d.Need, c.capacity)
			}
		}
	}
	var large *TooLargeError
	if _, err := over(graph(10, gb), gb); !errors.As(err, &large) || large.Blob.Size != gb || large.Capacity != gb {
		t.Errorf("a blob as large as the drive: %v", err)
	}
	many := make([]int64, MaxLanes+1)
	for i := range many {
		many[i] = 9 * gb / 10
	}
	if _, err := over(graph(many...), gb); !errors.As(err, &large) || large.Blob.Digest != "" {
		t.Errorf("%d drives: %v", len(many), err)
	}
	if _, err := over(graph(10), 8<<10); !errors.As(err, &large) {
		t.Errorf("a drive of 8 KiB: %v", err)
	}
	var space *SpaceError
	hand := Room{Drives: []Capacity{{gb, 4096}, {gb / 2, 4096}}}
	if _, err := job.SpreadOver(&oci.Inventory{}, graph(9*gb/10, 4*gb/10, 3*gb/10), nothing, hand); !errors.As(err, &space) || space.Together != 2 {
		t.Errorf("too little on two drives: %v", err)
	}
	if s, err := job.SpreadOver(&oci.Inventory{}, graph(9*gb/10, 4*gb/10), nothing, hand); err != nil || len(s.Drives) != 2 || s.Lanes != DefaultLanes {
		t.Errorf("two drives of two sizes: %+v, %v", s, err)
	}
}
