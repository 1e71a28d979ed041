package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/readmetest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// newPlain is a fixture as [newSmall] that is not encrypted.
func newPlain(t testing.TB) *fixture {
	t.Helper()
	f := newSmall(t, false)
	f.job.Plain, f.job.Recipients, f.identity = true, nil, nil
	return f
}

// openPlain opens a bundle that is not encrypted for the length of the test.
func openPlain(t testing.TB, dir string) *Reader {
	t.Helper()
	r, err := Open(t.Context(), []string{dir}, Wanted{Plain: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// readEvery reads all blobs and manifests.
func readEvery(f *fixture, r *Reader) error {
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		rc, err := oci.Verified(r).Open(context.Background(), n.Descriptor, 0)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, rc)
		if err = errors.Join(err, rc.Close()); err != nil {
			return err
		}
	}
	return nil
}

// TestPlain: the same bundle without encryption, read by those who allow it alone.
func TestPlain(t *testing.T) {
	t.Parallel()
	f := newPlain(t)
	f.pack(t)
	for name := range files(t, f.drive) {
		if strings.HasSuffix(name, ".age") {
			t.Errorf("%s is there", name)
		}
	}
	report, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{})
	if err != nil || !report.Plain {
		t.Fatalf("Verify: %+v, %v", report, err)
	}
	var plain *PlainError
	if _, err := Open(t.Context(), []string{f.drive}, Wanted{}, nil); !errors.As(err, &plain) {
		t.Errorf("opened by who takes only what is encrypted: %v", err)
	}
	r := openPlain(t, f.drive)
	if !r.Plain() || len(r.Inventory().Images) != len(f.inv.Images) {
		t.Errorf("not encrypted %v, %d images", r.Plain(), len(r.Inventory().Images))
	}
	if err := readEvery(f, r); err != nil {
		t.Error(err)
	}
	list, _, err := List(f.drive, f.state)
	if err != nil || len(list) != 1 || !list[0].Plain || list[0].Err != nil {
		t.Errorf("List: %+v, %v", list, err)
	}
	ratio, err := ParseParityRatio("1/4")
	if err == nil {
		_, err = AddParity(t.Context(), f.drive, Wanted{}, ratio, "1.0", nil)
	}
	if _, verr := Verify(t.Context(), []string{f.drive}, VerifyOptions{}); errors.Join(err, verr) != nil {
		t.Errorf("with parity: %v", errors.Join(err, verr))
	}
	_, to := newKey(t, false)
	var refused *RefusedError
	if _, err := Rekey(t.Context(), []string{f.drive}, Wanted{}, nil, to); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "not encrypted") {
		t.Errorf("Rekey: %v", err)
	}
}

// TestPlainByTools: sha256sum, zstd and tar alone open it, as its README.txt says.
func TestPlainByTools(t *testing.T) {
	t.Parallel()
	f := newPlain(t)
	f.pack(t)
	need(t, "zstd")
	out := t.TempDir()
	groups := readmetest.Groups(string(files(t, f.drive)[seal.ReadmeName]))
	script := strings.Join(groups[readmetest.Find(t, groups, `cd "DIR"`):readmetest.Find(t, groups, "skopeo")], "")
	if strings.Contains(script, "age ") || strings.Contains(script, "KEY") {
		t.Errorf("README.txt speaks of age:\n%s", script)
	}
	cmd := proctest.Command(t, need(t, "bash"), "-ec", readmetest.Fill(script, map[string]string{"DIR": f.drive, "OUT": out}))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if said, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(said, []byte("complete")) {
		t.Fatalf("%v\n%s", err, said)
	}
	checkLayout(t, f, filepath.Join(out, "layout"))
}

// TestPlainIsAnotherJob: a bundle of one kind is never resumed as one of the other.
func TestPlainIsAnotherJob(t *testing.T) {
	t.Parallel()
	plain, encrypted := newPlain(t), newSmall(t, false)
	for name, c := range map[string]struct {
		begun, asked *fixture
		how          string
	}{
		"a plain one":      {plain, encrypted, "without encryption"},
		"an encrypted one": {encrypted, plain, "with encryption"},
	} {
		w := c.begun.writer(t)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Resume(t.Context(), c.begun.drive, c.begun.state, c.asked.job, nil)
		var refused *RefusedError
		if !errors.As(err, &refused) || !refused.Unfinished || !strings.Contains(refused.Reason, c.how) {
			t.Errorf("%s: %v", name, err)
		}
	}
	both := plain.job
	both.Recipients = encrypted.job.Recipients
	if err := both.Check(); err == nil {
		t.Error("recipients are taken for a bundle that is not encrypted")
	}
}

// TestPlainResumes: interrupted in the middle of a blob, it goes on.
func TestPlainResumes(t *testing.T) {
	t.Parallel()
	f := newPlain(t)
	ctx, cancel := context.WithCancel(t.Context())
	w := f.writer(t)
	src := oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := f.content.Open(ctx, d, off)
		if d.Size < 2<<20 || err != nil {
			return rc, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(rc, 1500<<10), readerFunc(func([]byte) (int, error) { cancel(); return 0, context.Canceled })), rc}, nil
	})
	if err := f.fill(ctx, w, src); !errors.Is(err, context.Canceled) {
		t.Fatalf("not interrupted: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(segmentFiles(t, f.drive)) == 0 {
		t.Fatal("nothing was written")
	}
	f.pack(t)
	if err := readEvery(f, openPlain(t, f.drive)); err != nil {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestPlainDamage: files of the other kind are extra, and what has changed is found before a byte
// of it is decompressed.
func TestPlainDamage(t *testing.T) {
	t.Parallel()
	f := newPlain(t)
	f.pack(t)
	segment := segmentFiles(t, f.drive)[0]
	flip := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			body, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			body[len(body)/3] ^= 1
			write(t, dir, map[string][]byte{name: body})
		}
	}
	add := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, dir, map[string][]byte{name: []byte("x")}) }
	}
	for name, c := range map[string]struct {
		do         func(*testing.T, string)
		file, what string
		reads      bool // Open finds nothing, reading does
	}{
		"segment":              {flip(segment), segment, "has changed", true},
		"index":                {flip(seal.PlainIndex), seal.PlainIndex, "has changed", false},
		"an encrypted segment": {add("s-50-00001.age"), "s-50-00001.age", "is extra", false},
		"an encrypted index":   {add(seal.IndexName), seal.IndexName, "is extra", false},
		"a key file":           {add("key-1.age"), "key-1.age", "is extra", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "drive")
			write(t, dir, files(t, f.drive))
			c.do(t, dir)
			has := func(door string, err error) {
				t.Helper()
				var damage *DamageError
				if !errors.As(err, &damage) || !slices.ContainsFunc(damage.Faults, func(f Fault) bool { return f.File == c.file }) || !strings.Contains(err.Error(), c.what) && door == "Verify" {
					t.Errorf("%s: %v", door, err)
				}
			}
			_, err := Verify(t.Context(), []string{dir}, VerifyOptions{})
			has("Verify", err)
			r, err := Open(t.Context(), []string{dir}, Wanted{Plain: true}, nil)
			if !c.reads {
				has("Open", err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			err = readEvery(f, r)
			has("reading", err)
			if !errors.Is(err, errOther) {
				t.Errorf("reading: %v", err)
			}
		})
	}
	encrypted := newSmall(t, false)
	encrypted.pack(t)
	write(t, encrypted.drive, map[string][]byte{"s-50-00001.zst": nil})
	if _, err := Verify(t.Context(), []string{encrypted.drive}, VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "s-50-00001.zst is extra") {
		t.Errorf("a plain segment in an encrypted bundle: %v", err)
	}
}

// twoFaced gives other bytes from the second read of a place on.
type twoFaced struct {
	body []byte
	seen map[int64]bool
}

func (f *twoFaced) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(f.body).ReadAt(p, off)
	if f.seen[off] && n > 0 {
		p[n-1] ^= 1
	}
	f.seen[off] = true
	return n, err
}

// TestCheckedFile: only bytes that were hashed are given, whatever the drive gives later.
func TestCheckedFile(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdef"), 3*sumChunk/16)
	body = append(body, "the end"...)
	size := int64(len(body))
	list, err := sumsOf(t.Context(), bytes.NewReader(body), size, seal.Sum(body))
	if err != nil || len(list) != 4 {
		t.Fatalf("%d sums, %v", len(list), err)
	}
	f := newChecked(bytes.NewReader(body), size, list)
	for _, at := range [][2]int64{{0, size}, {1, 5}, {sumChunk - 1, 2}, {sumChunk, sumChunk}, {sumChunk - 3, 2*sumChunk + 9}, {size - 7, 7}, {size - 1, 9}, {size, 1}} {
		p := make([]byte, at[1])
		n, err := f.ReadAt(p, at[0])
		want := body[at[0]:min(at[0]+at[1], size)]
		if !bytes.Equal(p[:n], want) || (err == nil) != (n == len(p)) || err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes at %d: %d, %v", at[1], at[0], n, err)
		}
	}
	if _, err := sumsOf(t.Context(), bytes.NewReader(body), size, seal.Sum(nil)); !errors.Is(err, errOther) {
		t.Errorf("another file: %v", err)
	}
	if _, err := sumsOf(t.Context(), bytes.NewReader(body), size+1, seal.Sum(body)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a shorter file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sumsOf(ctx, bytes.NewReader(body), size, seal.Sum(body)); !errors.Is(err, errAbandoned) {
		t.Errorf("not wanted any more: %v", err)
	}
	drive := &twoFaced{body: body, seen: map[int64]bool{}}
	if list, err = sumsOf(t.Context(), drive, size, seal.Sum(body)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 9, sumChunk, size - 3} {
		p := make([]byte, 2)
		if n, err := newChecked(drive, size, list).ReadAt(p, at); err == nil || n != 0 || !bytes.Equal(p, make([]byte, 2)) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
}

// TestPlainForecast: what plan says of such a bundle is what pack writes.
func TestPlainForecast(t *testing.T) {
	t.Parallel()
	f := newPlain(t)
	forecast, err := f.job.Forecast(f.inv, f.graph, func(d oci.Descriptor) ([]byte, bool) {
		rc, err := f.content.Open(context.Background(), d, 0)
		if err != nil {
			return nil, false
		}
		body, err := io.ReadAll(rc)
		return body, err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.pack(t)
	var size int64
	for _, body := range files(t, f.drive) {
		size += int64(len(body))
	}
	if diff := forecast.Bytes - size; diff > size/100 || -diff > size/100 {
		t.Errorf("forecast %d, written %d", forecast.Bytes, size)
	}
}
