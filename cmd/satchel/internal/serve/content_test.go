package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestLies: content that is not what its digest says never comes to its end, and is no answer
// where it shows before the first byte.
func TestLies(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2710)
	big, small, config := h.Layer(6<<20, ocitest.LayerTar), h.Layer(300, ocitest.LayerGzip), h.Layer(9000, ocitest.LayerGzip)
	root := h.Image(false, big, small, config)
	s := h.serve(h.pack("drive", []oci.Image{image(root, "team/app", "v1")}))
	honest := s.src
	for name, lie := range map[string]func([]byte) []byte{
		"the last byte":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"the first byte": func(b []byte) []byte { b[0] ^= 1; return b },
		"too short":      func(b []byte) []byte { return b[:len(b)-1] },
		"nothing":        func([]byte) []byte { return nil },
	} {
		s.src = oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
			rc, err := honest.Open(ctx, d, 0)
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(rc)
			lied := lie(body)
			return io.NopCloser(bytes.NewReader(lied[min(off, int64(len(lied))):])), errors.Join(err, rc.Close())
		})
		for _, d := range []oci.Descriptor{big, small, config} {
			for _, header := range [][]string{nil, {"Range", "bytes=0-"}} {
				g := s.ask("GET", "/v2/team/app/blobs/"+d.Digest.String(), header...)
				if g.err == nil && g.StatusCode < 500 || int64(len(g.body)) >= d.Size {
					t.Errorf("%s of %d bytes %v: status %d, %d bytes, %v", name, d.Size, header, g.StatusCode, len(g.body), g.err)
				}
			}
		}
		if g := s.ask("GET", "/v2/team/app/manifests/v1"); g.StatusCode != 500 || codeOf(g) != codeUnknown {
			t.Errorf("%s of the manifest: %d %s", name, g.StatusCode, g.body)
		}
	}
	if n := strings.Count(h.log.String(), "level=WARN"); n < 10 {
		t.Errorf("%d warnings:\n%s", n, h.log)
	}
	s.src = honest
	if g := s.ask("GET", "/v2/team/app/blobs/"+big.Digest.String()); g.err != nil || digest.FromBytes(g.body) != big.Digest {
		t.Errorf("afterwards: %v", g.err)
	}
}

// TestEmptyBlob: a blob of no bytes is given, and one that only says so is not.
func TestEmptyBlob(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2711)
	empty := h.Blob(nil, "application/octet-stream")
	s := h.serve(h.pack("drive", []oci.Image{image(h.Artifact("application/vnd.example", empty), "team/app", "v1")}))
	if g := s.ask("GET", "/v2/team/app/blobs/"+empty.Digest.String(), "Range", "bytes=0-9"); g.StatusCode != 200 || len(g.body) != 0 {
		t.Errorf("%d %s", g.StatusCode, g.body)
	}
	lie := digest.FromString("something")
	s.repos["team/app"].blobs[lie] = oci.Descriptor{Digest: lie}
	if g := s.ask("GET", "/v2/team/app/blobs/"+lie.String()); g.StatusCode != 500 {
		t.Errorf("a lie: %d", g.StatusCode)
	}
}

// slowClient takes the head of an answer and then nothing more.
func slowClient(t *testing.T, s *served, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// reading is how many have a place.
func (g *gate) reading() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.inside)
}

// endlessFrame is how many zeros endless has decoded at a time.
const endlessFrame = 4 << 20

// endless gives zeros as a bundle does, frame by frame.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		e.left = endlessFrame
	}
	n := min(len(p), e.left)
	clear(p[:n])
	e.left -= n
	return n, nil
}

func (e *endless) Decoded() int { return e.left }
func (e *endless) Close() error { return nil }

// TestTurns: clients move on together, whoever came first and however many blobs one asks for; and
// no frame is decoded twice.
func TestTurns(t *testing.T) {
	t.Parallel()
	const size = 24 * endlessFrame
	src := oci.SourceFunc(func(_ context.Context, _ oci.Descriptor, off int64) (io.ReadCloser, error) {
		if off%endlessFrame != 0 {
			t.Errorf("a frame is decoded again, from byte %d on", off)
		}
		return &endless{}, nil
	})
	g := newGate(2, 1)
	clients := []string{"many", "many", "many", "many", "few", "one"}
	progress := map[string]*atomic.Int64{"many": {}, "few": {}, "one": {}}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i, name := range clients {
		c := newContent(t.Context(), g, name, src, oci.Descriptor{Size: size})
		c.check = nil
		wg.Go(func() {
			defer c.close()
			buf := make([]byte, 32<<10)
			for done := progress[name]; ; <-start {
				n, err := c.Read(buf)
				if mine := done.Add(int64(n)); errors.Is(err, io.EOF) || mine > size/2 {
					return
				} else if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				for other, its := range progress {
					if ahead := done.Load() - its.Load(); ahead > 4*endlessFrame {
						t.Errorf("%s is %d MiB ahead of %s", name, ahead>>20, other)
						return
					}
				}
			}
		})
		eventually(t, "it reads or waits", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.inside)+len(g.queue) > i })
	}
	close(start)
	wg.Wait()
	if g.reading() != 0 {
		t.Errorf("%d places are taken", g.reading())
	}
}

// TestSmallBlobs: one gets a place while large ones have and want all that they may have.
func TestSmallBlobs(t *testing.T) {
	t.Parallel()
	src := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return &endless{}, nil
	})
	g := newGate(2, 1)
	for range 3 {
		c := newContent(t.Context(), g, "client", src, oci.Descriptor{Size: 1 << 30})
		c.check = nil
		go func() { _, _ = io.Copy(io.Discard, c) }()
		defer c.close()
	}
	eventually(t, "large blobs wait", g.waiting)
	small := make([]byte, 2000)
	c := newContent(t.Context(), g, "client", src, oci.Descriptor{Size: 2000, Digest: digest.FromBytes(small)})
	began := time.Now()
	if _, err := io.ReadFull(c, small); err != nil || time.Since(began) > patience/2 {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if _, err := c.Read(small); !errors.Is(err, io.EOF) || g.reading() != 1 {
		t.Errorf("%v; %d read", err, g.reading())
	}
}

// TestSlowClients: clients that take nothing keep nobody from reading, and get all of it once
// they go on.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2712)
	layer := h.Layer(12<<20, ocitest.LayerTar)
	s := h.serve(h.pack("drive", []oci.Image{image(h.Image(false, layer), "team/app", "v1")}))
	s.gate = newGate(2, 2)
	path := "/v2/team/app/blobs/" + layer.Digest.String()
	var slow []net.Conn
	for range 4 {
		slow = append(slow, slowClient(t, s, path))
	}
	began := time.Now()
	if g := s.ask("GET", path); g.err != nil || digest.FromBytes(g.body) != layer.Digest {
		t.Errorf("%d bytes, %v", len(g.body), g.err)
	}
	if d := time.Since(began); d > 15*time.Second {
		t.Errorf("it took %s", d)
	}
	for _, conn := range slow[:2] {
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		rest, n := sha256.New(), int64(0)
		all := io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r"), conn)
		_, body := head(t, all)
		n, err := io.CopyN(rest, body, layer.Size)
		if err != nil || fmt.Sprintf("%x", rest.Sum(nil)) != layer.Digest.Encoded() {
			t.Errorf("a slow client got %d of %d bytes: %v", n, layer.Size, err)
		}
	}
	for _, conn := range slow[2:] {
		_ = conn.Close()
	}
	eventually(t, "all places are free", func() bool { return s.gate.reading() == 0 })
}

// head reads the head of an answer and gives what follows.
func head(t *testing.T, r io.Reader) (text string, body io.Reader) {
	t.Helper()
	one := make([]byte, 1)
	for !strings.HasSuffix(text, "\r\n\r\n") {
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatal(err)
		}
		text += string(one)
	}
	return text, r
}

// TestClientsGoAway: their reads end, and nothing is left behind.
func TestClientsGoAway(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2713)
	layer := h.Layer(24<<20, ocitest.LayerTar)
	s := h.serve(h.pack("drive", []oci.Image{image(h.Image(false, layer), "team/app", "v1")}))
	path := "/v2/team/app/blobs/" + layer.Digest.String()
	for i := range 20 {
		conn := slowClient(t, s, path)
		if i%2 == 1 {
			_ = slowClient(t, s, path).Close()
		}
		_ = conn.Close()
	}
	eventually(t, "all places are free", func() bool { return s.gate.reading() == 0 })
	done := make(chan struct{})
	go func() { s.busy.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("requests of clients that are gone are still answered")
	}
	for _, o := range s.shelf {
		if o.now.users != 0 {
			t.Errorf("%d readers are left", o.now.users)
		}
	}
}

// TestParallelPulls: sixteen clients pull everything at once.
func TestParallelPulls(t *testing.T) {
	t.Parallel()
	count := 3
	if os.Getenv("SATCHEL_SOAK") != "" {
		count = 12
	}
	h := newHost(t, 2714)
	var images []oci.Image
	for i := range count {
		images = append(images, image(h.Image(i%2 == 0, h.Layer(5<<20, ocitest.LayerTar), h.Layer(200<<10, ocitest.LayerGzip)), fmt.Sprintf("team/app%d", i), "v1"))
	}
	s := h.serve(h.pack("drive", images))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for _, img := range images {
				if err := ocitest.Compare(t.Context(), h.Content, img.Root, s.server.URL, img.Source.Repository, "v1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s.requests.Load() < int64(16*count*4) || s.sent.Load() < int64(16*count*5<<20) {
		t.Errorf("%d requests, %d bytes were counted", s.requests.Load(), s.sent.Load())
	}
}

// TestMemory: however large the blobs are and however many clients read, some of them slowly, what
// is held in memory is bounded.
func TestMemory(t *testing.T) {
	size, clients := 24<<20, 16
	if os.Getenv("SATCHEL_SOAK") != "" {
		size = 1 << 30
	}
	h := newHost(t, 2715)
	layers := []oci.Descriptor{h.Layer(size, ocitest.LayerTar), h.Layer(size/4, ocitest.LayerTar)}
	s := h.serve(h.pack("drive", []oci.Image{image(h.Image(false, layers...), "team/app", "v1")}))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		slowClient(t, s, "/v2/team/app/blobs/"+layers[0].Digest.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { s.discard(ctx, t, layers[i%2]) })
	}
	peak := uint64(0)
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for reading := true; reading; {
		select {
		case <-ended:
			reading = false
		case <-time.After(200 * time.Millisecond):
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
	}
	if held := int64(peak) - int64(before.HeapAlloc); held > 150<<20 {
		t.Errorf("%d MiB are held", held>>20)
	}
}

// discard pulls a blob and compares its digest.
func (s *served) discard(ctx context.Context, t *testing.T, d oci.Descriptor) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+"/v2/team/app/blobs/"+d.Digest.String(), nil)
	if err != nil {
		t.Error(err)
		return
	}
	answer, err := s.server.Client().Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, answer.Body); err != nil || fmt.Sprintf("%x", sum.Sum(nil)) != d.Digest.Encoded() {
		t.Errorf("%s: %v", d.Digest, err)
	}
}

// TestDriveComesBack: while the directory of a bundle is away, requests get 503; then they work
// again, with a new reader. Another bundle in its place is not taken.
func TestDriveComesBack(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2716)
	layer := h.Layer(9<<20, ocitest.LayerTar)
	root := h.Image(false, layer)
	dir := h.pack("drive", []oci.Image{image(root, "team/app", "v1")})
	other := h.pack("other", []oci.Image{image(root, "team/app", "v2")})
	s := h.serve(dir)
	path := "/v2/team/app/blobs/" + layer.Digest.String()
	old := s.shelf[0].now
	s.shelf[0].lost(old, &bundle.DriveError{Op: "read from", Path: dir, Err: os.ErrNotExist}) // as a read says that fails
	s.shelf[0].tried = time.Time{}
	away := filepath.Join(h.dir, "away")
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(dir, away)
	for range 2 {
		if g := s.ask("GET", path); g.StatusCode != 503 || codeOf(g) != codeUnavailable || g.Header.Get("Retry-After") == "" || g.Header.Get("Docker-Content-Digest") != "" {
			t.Errorf("away: %d %v %s", g.StatusCode, g.Header, g.body)
		}
		if g := s.ask("GET", "/v2/team/app/manifests/v1"); g.StatusCode != 503 {
			t.Errorf("away: the manifest: %d", g.StatusCode)
		}
	}
	move(other, dir)
	for range 2 {
		s.shelf[0].tried = time.Time{}
		if g := s.ask("GET", path); g.StatusCode != 503 {
			t.Errorf("another bundle: %d", g.StatusCode)
		}
	}
	move(dir, other)
	move(away, dir)
	torn := filepath.Join(dir, "drive.json")
	move(torn, torn+".moved")
	for range 2 {
		s.shelf[0].tried = time.Time{}
		if g := s.ask("GET", path); g.StatusCode != 500 || g.Header.Get("Retry-After") != "" {
			t.Errorf("a damaged bundle: %d %s", g.StatusCode, g.body)
		}
	}
	move(dir, away)
	s.shelf[0].tried = time.Time{}
	if g := s.ask("GET", path); g.StatusCode != 503 {
		t.Errorf("away once more: %d", g.StatusCode)
	}
	move(away, dir)
	move(torn+".moved", torn)
	s.shelf[0].tried = time.Time{}
	if g := s.ask("GET", path); g.StatusCode != 200 || digest.FromBytes(g.body) != layer.Digest {
		t.Errorf("back: %d %v", g.StatusCode, g.err)
	}
	for _, text := range []string{"cannot be read", "plug the drive in and mount it in the same place", "another bundle is in", "is there again and cannot be used: ", "/drive is back"} {
		if n := strings.Count(h.log.String(), text); n != 1 {
			t.Errorf("%q is said %d times:\n%s", text, n, h.log)
		}
	}
}

// gone is a reader of a drive that was pulled.
type gone struct{ io.Closer }

func (gone) Read([]byte) (int, error) {
	return 0, &bundle.DriveError{Op: "read from", Path: "drive", Err: os.ErrNotExist}
}

// TestAllReadOn: all who are in the middle of content read on when the drive is back, not only the
// one who finds it; who begins meanwhile is told at once that it is away.
func TestAllReadOn(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2719)
	layer := h.Layer(300<<10, ocitest.LayerTar)
	dir := h.pack("drive", []oci.Image{image(h.Image(false, layer), "team/app", "v1")})
	want := h.bytes(layer)
	synctest.Test(t, func(t *testing.T) {
		o := newOpened(h.reader(dir), h.options().To)
		defer o.close()
		back := make(chan struct{})
		o.reopen = func() (*bundle.Reader, error) { <-back; return o.bundle.Reopen() }
		open := func(off int64) *stream {
			r, err := shelf{o}.Open(t.Context(), layer, off)
			if err != nil {
				t.Fatal(err)
			}
			return r.(*stream)
		}
		const middle = 1000
		var list []*stream
		for range 4 {
			r := open(0)
			if _, err := io.ReadFull(r, make([]byte, middle)); err != nil {
				t.Fatal(err)
			}
			r.in = gone{r.in}
			list = append(list, r)
		}
		list = append(list, open(middle)) // one that had given its turn to another
		var wg sync.WaitGroup
		for i, r := range list {
			wg.Go(func() {
				rest, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(rest, want[middle:]) {
					t.Errorf("reader %d: %d bytes of %d, %v", i, len(rest), len(want)-middle, err)
				}
				_ = r.Close()
			})
			synctest.Wait()
		}
		if _, err := open(0).Read(make([]byte, 1)); err == nil {
			t.Error("who begins reads")
		}
		close(back)
		wg.Wait()
	})
}

// TestSecondCopy: what one directory does not give, another with the same content does.
func TestSecondCopy(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2717)
	layer := h.Layer(3<<20, ocitest.LayerTar)
	images := []oci.Image{image(h.Image(false, layer), "team/app", "v1")}
	dirs := []string{h.pack("one", images), h.pack("two", images)}
	s := h.serve(dirs...)
	for _, e := range segmentsIn(t, dirs[0]) {
		spoil(t, e)
	}
	if g := s.ask("GET", "/v2/team/app/blobs/"+layer.Digest.String()); g.StatusCode != 200 || digest.FromBytes(g.body) != layer.Digest {
		t.Errorf("%d %v", g.StatusCode, g.err)
	}
	if n := strings.Count(h.log.String(), "the content is read from another bundle; satchel verify "+dirs[0]); n == 0 || n > len(segmentsIn(t, dirs[0])) {
		t.Errorf("it is said %d times:\n%s", n, h.log)
	}
	for _, e := range segmentsIn(t, dirs[1]) {
		spoil(t, e)
	}
	if g := s.ask("GET", "/v2/team/app/blobs/"+layer.Digest.String()); g.err == nil && g.StatusCode != 500 {
		t.Errorf("both are damaged: %d, %d bytes", g.StatusCode, len(g.body))
	}
	if !strings.Contains(h.log.String(), "satchel verify "+dirs[0]) {
		t.Errorf("it does not say what to do:\n%s", h.log)
	}
}

// TestReplacedSegments: what was damaged and is put right is read again, and the damage is said once.
func TestReplacedSegments(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2718)
	layer := h.Layer(3<<20, ocitest.LayerTar)
	dir := h.pack("drive", []oci.Image{image(h.Image(false, layer), "team/app", "v1")})
	s := h.serve(dir)
	path := "/v2/team/app/blobs/" + layer.Digest.String()
	good := map[string][]byte{}
	for _, name := range segmentsIn(t, dir) {
		body, err := os.ReadFile(name)
		if err == nil {
			good[name], err = body, os.Truncate(name, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if g := s.ask("GET", path); g.StatusCode != 500 {
			t.Errorf("damaged: %d", g.StatusCode)
		}
	}
	if n := strings.Count(h.log.String(), "satchel verify "+dir); n != 1 && n != 2 {
		t.Errorf("the damage is said %d times:\n%s", n, h.log)
	}
	for name, body := range good {
		if err := errors.Join(os.Remove(name), os.WriteFile(name, body, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if g := s.ask("GET", path); g.StatusCode != 200 || digest.FromBytes(g.body) != layer.Digest {
		t.Errorf("put right: %d %v", g.StatusCode, g.err)
	}
}

func segmentsIn(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "s-*.age"))
	if more, merr := filepath.Glob(filepath.Join(dir, "*", "s-*.age")); err == nil {
		list, err = append(list, more...), merr
	}
	if err != nil || len(list) == 0 {
		t.Fatalf("no segments in %s: %v", dir, err)
	}
	slices.Sort(list)
	return list
}

// spoil changes every chunk of a segment.
func spoil(t *testing.T, file string) {
	t.Helper()
	body, err := os.ReadFile(file)
	if err == nil {
		for i := 500; i < len(body); i += 30000 {
			body[i] ^= 0xff
		}
		err = os.WriteFile(file, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
