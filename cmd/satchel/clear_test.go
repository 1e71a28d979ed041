package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestRangeAfterKill cuts one large layer at about 90%.
func TestRangeAfterKill(t *testing.T) {
	const segment = 16 << 20
	c := ocitest.New(52)
	layer := c.Layer(210<<20, ocitest.LayerGzip)
	s := newShelf(c)
	proxy, k := s.slow(t, 4*sourceRate)
	s.tag("big/one:v1", c.Image(false, layer))
	w := newWorld(t)
	w.images(proxy.Host + "/big/one:v1")
	pack := w.pack("--segment-size", "16MiB")
	if r, ended := w.killed(k, layer.Size*9/10, 0, 0, pack...); ended {
		t.Fatalf("it ended before: %s", r.stderr)
	}
	asked := len(s.asked())
	w.run(pack...).want(exitOK).says("resuming")
	var starts []int64
	for _, h := range s.asked()[asked:] {
		var from int64
		if _, err := fmt.Sscanf(h, "bytes=%d-", &from); err == nil {
			starts = append(starts, from)
		}
	}
	if len(starts) != 1 || starts[0] < layer.Size*9/10-segment-socketBytes || starts[0] > layer.Size {
		t.Errorf("the layer was resumed from %v, it was cut at %d", starts, layer.Size*9/10)
	}
	if again := k.passed() - c.Size(); again > segment+socketBytes {
		t.Errorf("%d bytes were fetched twice, at most %d are allowed", again, segment+socketBytes)
	}
	mirror := newMirror(t)
	w.run(w.unpack(mirror)...).want(exitOK)
	compareAll(t, c, map[string]oci.Descriptor{"big/one:v1": s.tags["big/one:v1"]}, mirror)
}

// TestNothingInClear searches the drive of a killed pack for what it carries.
func TestNothingInClear(t *testing.T) {
	c := ocitest.New(53)
	s := newShelf(c)
	proxy, _ := s.slow(t, sourceRate)
	s.tag("conspicuous/repository-name:tag-to-be-found", c.Image(false, c.Layer(12<<20, ocitest.LayerGzip), c.Layer(300<<10, ocitest.LayerTar), c.Layer(6<<20, ocitest.LayerZstd)))
	s.tag("second-repository/second-name:another-tag", c.Kinds()["index"])
	var needles []string
	w := newWorld(t)
	refs := []string{}
	for ref := range s.tags {
		refs = append(refs, proxy.Host+"/"+ref)
		needles = append(needles, proxy.Host, ref)
		needles = append(needles, strings.FieldsFunc(ref, func(r rune) bool { return r == '/' || r == ':' })...)
	}
	for _, d := range c.All() {
		raw, err := decodeHex(d.Digest.Encoded())
		if err != nil {
			t.Fatal(err)
		}
		needles = append(needles, d.Digest.Encoded(), raw)
	}
	needles = append(needles, "vnd.oci", "ustar", w.secret)
	w.images(refs...)
	pack := w.pack("--segment-size", "2MiB")
	for _, at := range []int64{1 << 20, 9 << 20} {
		p := w.start(pack...)
		for began := time.Now(); bytesBelow(w.drive) < at && time.Since(began) < time.Minute; {
			time.Sleep(time.Millisecond)
		}
		_ = p.cmd.Process.Kill() // it may have ended
		if r := p.wait(); r.code >= 0 {
			t.Fatalf("it ended before: %s", r.stderr)
		}
		if n := search(t, w.drive, needles); n < at {
			t.Errorf("only %d bytes were on the drive", n)
		}
	}
	w.run(pack...).want(exitOK)
	search(t, w.drive, needles)
	// The search finds what is there: the cache of manifests is in clear.
	found := false
	if err := filepath.WalkDir(filepath.Join(w.dir, "state"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			found = found || strings.Contains(string(readFile(t, path)), "repository-name")
		}
		return err
	}); err != nil || !found {
		t.Errorf("the journal does not name the images: %v", err)
	}
}

// bytesBelow is how many bytes the files below a directory have that is being written.
func bytesBelow(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			if info, ierr := e.Info(); ierr == nil && info.Mode().IsRegular() {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

func decodeHex(s string) (string, error) {
	var raw []byte
	_, err := fmt.Sscanf(s, "%x", &raw)
	return string(raw), err
}

// search looks for every needle in names and content below dir, and returns how
// many bytes there are.
func search(t *testing.T, dir string, needles []string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		body := string(readFile(t, path))
		total += int64(len(body))
		body += "\x00" + strings.TrimPrefix(path, dir)
		for _, n := range needles {
			if strings.Contains(body, n) {
				t.Errorf("%s holds %q", path, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}
