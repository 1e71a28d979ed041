package cache_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// parsed asks the cache of a directory for key, which is worked out as body.
func parsed(t *testing.T, dir, key, body string) (got string, filled bool) {
	t.Helper()
	r, err := cache.New(dir).Derived(t.Context(), key, func(w io.Writer) error {
		filled = true
		for part := range strings.SplitAfterSeq(body, "\n") {
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b), filled
}

func TestDerived(t *testing.T) {
	big := strings.Repeat("a line of what was worked out\n", 10000)
	for _, body := range []string{"", "x", big} {
		dir := t.TempDir()
		for i, want := range []bool{true, false, false} {
			if got, filled := parsed(t, dir, "k", body); got != body || filled != want {
				t.Errorf("time %d: got %d bytes of %d, filled %v", i, len(got), len(body), filled)
			}
		}
		if got, filled := parsed(t, dir, "k2", "other"); got != "other" || !filled {
			t.Errorf("another key gave %q, filled %v", got, filled)
		}
		names, err := filepath.Glob(filepath.Join(dir, "parsed", ".*"))
		if err != nil || len(names) > 0 {
			t.Errorf("left behind: %q, %v", names, err)
		}
	}
}

// TestDerivedDamage has files that are not what was written.
func TestDerivedDamage(t *testing.T) {
	const body = "what was worked out"
	path := func(dir, key string) string {
		return filepath.Join(dir, "parsed", oci.Digest([]byte(key)).Encoded())
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"short":         func(b []byte) []byte { return b[:len(b)-1] },
		"very short":    func(b []byte) []byte { return b[:3] },
		"longer":        func(b []byte) []byte { return append(b, 0) },
		"changed":       func(b []byte) []byte { b[3] ^= 1; return b },
		"changed sum":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"without a sum": func(b []byte) []byte { return b[:len(body)] },
	} {
		dir := t.TempDir()
		parsed(t, dir, "k", body)
		b, err := os.ReadFile(path(dir, "k"))
		if err == nil {
			err = os.WriteFile(path(dir, "k"), damage(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, filled := parsed(t, dir, "k", body); got != body || !filled {
			t.Errorf("%s: got %q, filled %v", name, got, filled)
		}
		if got, filled := parsed(t, dir, "k", body); got != body || filled {
			t.Errorf("%s: not fixed: got %q, filled %v", name, got, filled)
		}
	}
	dir := t.TempDir()
	parsed(t, dir, "k", body)
	if err := os.Rename(path(dir, "k"), path(dir, "k2")); err != nil {
		t.Fatal(err)
	}
	if got, filled := parsed(t, dir, "k2", "other"); got != "other" || !filled {
		t.Errorf("a file of another key: got %q, filled %v", got, filled)
	}
}

func TestDerivedErrors(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("cannot be parsed")
	_, err := cache.New(dir).Derived(t.Context(), "k", func(w io.Writer) error {
		return errors.Join(errors.New("half"), broken)
	})
	if !errors.Is(err, broken) || strings.Contains(err.Error(), "cache") {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "parsed"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = cache.New(file).Derived(t.Context(), "k", func(io.Writer) error { return nil })
	var pe *fs.PathError
	if !errors.As(err, &pe) || !strings.Contains(err.Error(), "the cache: ") || !strings.Contains(err.Error(), file) {
		t.Errorf("no directory: got %v", err)
	}
	parsed(t, dir, "k", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cache.New(dir).Derived(ctx, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestDerivedFull fills a cache whose files may not grow.
func TestDerivedFull(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("the size of files cannot be limited: %v", err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	dir := t.TempDir()
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100 << 10, Max: limit.Max}); err != nil {
		t.Skipf("the size of files cannot be limited: %v", err)
	}
	_, err := cache.New(dir).Derived(t.Context(), "k", func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 200<<10)); err != nil {
			return errors.New("fill makes another error of it")
		}
		return nil
	})
	if back := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); back != nil {
		t.Fatal(back)
	}
	if !errors.Is(err, syscall.EFBIG) || !strings.HasPrefix(err.Error(), "write to the cache: ") {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "parsed"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestDerivedBeside fills one key many times at once.
func TestDerivedBeside(t *testing.T) {
	dir := t.TempDir()
	body := strings.Repeat("0123456789\n", 20000)
	var wg sync.WaitGroup
	var bad atomic.Int32
	for range 8 {
		wg.Go(func() {
			r, err := cache.New(dir).Derived(t.Context(), "k", func(w io.Writer) error { _, err := io.WriteString(w, body); return err })
			if err != nil {
				bad.Add(1)
				return
			}
			b, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil || string(b) != body {
				bad.Add(1)
			}
		})
	}
	wg.Wait()
	if bad.Load() > 0 {
		t.Errorf("%d of 8 failed", bad.Load())
	}
}

// TestMetadata keeps manifests and configs, and lets layers through.
func TestMetadata(t *testing.T) {
	c := ocitest.New(1)
	d := c.Image(true, c.Layer(4096, ocitest.LayerGzip))
	plain := c.Image(false, c.Layer(4096, ocitest.LayerZstd))
	index := c.Index(false, d, plain)
	var opened []string
	src := cache.New(t.TempDir()).Metadata(oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		opened = append(opened, d.MediaType)
		return c.Open(ctx, d, off)
	}))
	for range 2 {
		err := oci.Walk(t.Context(), c, index, func(d oci.Descriptor, _ []byte) error {
			_, err := oci.ReadBlob(t.Context(), src, d, 1<<20)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for _, mediaType := range opened {
		seen[mediaType]++
	}
	want := map[string]int{
		oci.MediaTypeIndex: 1, oci.MediaTypeManifest: 1, oci.MediaTypeDockerManifest: 1,
		"application/vnd.oci.image.config.v1+json": 1, "application/vnd.docker.container.image.v1+json": 1,
		ocitest.LayerDocker: 2, ocitest.LayerZstd: 2,
	}
	if !maps.Equal(seen, want) {
		t.Errorf("opened %v, want %v", seen, want)
	}
}
