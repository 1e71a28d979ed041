package bundle

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// These tests know the format from FORMAT.md alone: they open age files with
// age's own package, and read seek tables and tar headers by hand.

const frameLimit = 4 << 20

// decrypt opens an age file of the bundle with the bundle key.
func decrypt(t *testing.T, f *fixture, name string) []byte {
	t.Helper()
	open := func(file string, ids ...age.Identity) []byte {
		sealed, err := os.ReadFile(filepath.Join(f.drive, file))
		if err != nil {
			t.Fatal(err)
		}
		r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		return body
	}
	parse := func(body []byte) []age.Identity {
		ids, err := age.ParseIdentities(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	mine, err := os.ReadFile(f.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return open(name, parse(open(seal.KeyName(1), parse(mine)...))...)
}

// content reads a segment's plaintext: its frames one by one, as the seek table
// at its end names them. starts are the offsets at which frames begin.
func content(t *testing.T, name string, plain []byte) (tarBytes []byte, starts map[int]bool) {
	t.Helper()
	le, end := binary.LittleEndian, len(plain)
	if le.Uint32(plain[end-4:]) != 0x8F92EAB1 || plain[end-5] != 0 {
		t.Fatalf("%s does not end as a seekable file without checksums: %x", name, plain[end-9:])
	}
	n := int(le.Uint32(plain[end-9:]))
	head := end - 9 - 8*n - 8
	if le.Uint32(plain[head:]) != 0x184D2A5E || int(le.Uint32(plain[head+4:])) != 8*n+9 {
		t.Fatalf("%s: its seek table is no skippable frame", name)
	}
	starts = map[int]bool{}
	at := 0
	for i := range n {
		size, length := int(le.Uint32(plain[head+8+8*i:])), int(le.Uint32(plain[head+12+8*i:]))
		var h zstd.Header
		if err := h.Decode(plain[at:]); err != nil || h.Skippable || length < 1 || length > frameLimit || h.WindowSize > frameLimit {
			t.Fatalf("%s: frame %d: %d bytes, %+v, %v", name, i, length, h, err)
		}
		dec, err := zstd.NewReader(bytes.NewReader(plain[at:at+size]), zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(dec)
		dec.Close()
		if err != nil || len(body) != length {
			t.Fatalf("%s: frame %d has %d bytes, its table says %d; %v", name, i, len(body), length, err)
		}
		starts[len(tarBytes)] = true
		tarBytes = append(tarBytes, body...)
		at += size
	}
	if at != head {
		t.Fatalf("%s: its frames end at %d, its table begins at %d", name, at, head)
	}
	return tarBytes, starts
}

// listing is what the zstd program says of one file.
var listing = regexp.MustCompile(`(?s)# Zstandard Frames: (\d+)\n.*# Skippable Frames: 1\n.*Window Size: [^\n]*\((\d+) B\).*Decompressed Size: [^\n]*\((\d+) B\)`)

// checkListed compares a segment with what `zstd -l` sees in it.
func checkListed(t *testing.T, zstdProgram, name string, plain []byte, frames, length int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".zst")
	if err := os.WriteFile(file, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	printed := run(t, ".", zstdProgram, "-l", "-v", file)
	m := listing.FindStringSubmatch(printed)
	if m == nil {
		t.Fatalf("%s: zstd -l -v says\n%s", name, printed)
	}
	window, err := strconv.Atoi(m[2])
	if m[1] != strconv.Itoa(frames) || m[3] != strconv.Itoa(length) || err != nil || window > frameLimit {
		t.Errorf("%s has %d frames and %d bytes; zstd -l -v says\n%s", name, frames, length, printed)
	}
}

func TestSegments(t *testing.T) {
	zstdProgram := need(t, "zstd")
	for _, size := range []int64{MinSegmentSize, 3<<20 - 7, DefaultSegmentSize} {
		for _, pq := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/post-quantum %v", size, pq), func(t *testing.T) {
				f := newFixture(t, size, pq)
				zeros := f.content.Blob(make([]byte, 6<<20), ocitest.LayerTar)
				f.add(t, "big", f.content.Image(false, zeros, f.content.Layer(9<<20, ocitest.LayerGzip)))
				f.pack(t)
				var stream []byte
				begins := map[int]bool{}
				for _, name := range segmentFiles(t, f.drive) {
					if info, err := os.Stat(filepath.Join(f.drive, name)); err != nil || info.Size() > size {
						t.Errorf("%s: %d bytes, %v", name, info.Size(), err)
					}
					plain := decrypt(t, f, name)
					body, starts := content(t, name, plain)
					checkListed(t, zstdProgram, name, plain, len(starts), len(body))
					for at := range starts {
						begins[len(stream)+at] = true
					}
					stream = append(stream, body...)
				}
				checkStream(t, f, stream, begins)
			})
		}
	}
}

// checkStream holds the tar stream against FORMAT.md, section 4.
func checkStream(t *testing.T, f *fixture, stream []byte, begins map[int]bool) {
	t.Helper()
	in := bytes.NewReader(stream)
	r := tar.NewReader(in)
	seen := map[string]int{}
	last := ""
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %s: %v", last, err)
		}
		seen[h.Name]++
		header := len(stream) - in.Len() - tarBlock
		if h.Size+2*tarBlock > frameLimit && !begins[header] {
			t.Errorf("%s of %d bytes does not begin a frame", h.Name, h.Size)
		}
		if h.Typeflag != tar.TypeReg || h.Mode != 0o644 || h.Uid|h.Gid != 0 || !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname+h.Gname != "" || h.PAXRecords != nil {
			t.Errorf("header %+v", h)
		}
		last = h.Name
	}
	if last != "oci-layout" || seen["index.json"] != 1 || seen["oci-layout"] != 1 || in.Len() != 0 {
		t.Errorf("the archive ends with %s, %d bytes follow its end, entries %v", last, in.Len(), seen)
	}
	for _, n := range append(f.graph.Blobs, f.graph.Manifests...) {
		if name := "blobs/sha256/" + n.Descriptor.Digest.Encoded(); seen[name] != 1 {
			t.Errorf("%s stands %d times in the archive", name, seen[name])
		}
	}
	if want := len(f.graph.Blobs) + len(f.graph.Manifests) + 2; len(seen) != want {
		t.Errorf("%d entries, want %d", len(seen), want)
	}
}

// TestTarHeader shows where the size field changes its form, by hand and by GNU tar.
func TestTarHeader(t *testing.T) {
	t.Parallel()
	name := "blobs/sha256/" + strings.Repeat("ab", 32)
	for _, c := range []struct {
		size  int64
		magic string
		field string // the first bytes of the size field
	}{
		{0, "ustar\x0000", "00000000000"},
		{8<<30 - 1, "ustar\x0000", "77777777777"},
		{8 << 30, "ustar  \x00", "\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00"},
		{1 << 40, "ustar  \x00", "\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00"},
	} {
		h, err := tarHeader(name, c.size)
		if err != nil || len(h) != tarBlock {
			t.Fatalf("%d: %d bytes, %v", c.size, len(h), err)
		}
		if string(h[257:265]) != c.magic || !strings.HasPrefix(string(h[124:136]), c.field) {
			t.Errorf("%d: magic %q, size %q", c.size, h[257:265], h[124:136])
		}
		cmd := proctest.Command(t, need(t, "tar"), "-tvf", "-")
		cmd.Stdin = bytes.NewReader(h)
		out, _ := cmd.Output() // it complains of the content, which is not there
		if want := fmt.Sprintf("-rw-r--r-- 0/0 %15d 1970-01-01", c.size); !strings.Contains(squeeze(string(out)), squeeze(want)) || !strings.Contains(string(out), name) {
			t.Errorf("%d: tar lists %q", c.size, out)
		}
	}
	if _, err := tarHeader(strings.Repeat("a/", 200), 1); err == nil {
		t.Error("a name beyond ustar's field is accepted")
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// TestContentIsTheSources makes sure that a manifest and its blobs are the source's bytes.
func TestContentIsTheSources(t *testing.T) {
	f := newSmall(t, true)
	f.pack(t)
	var stream []byte
	for _, name := range segmentFiles(t, f.drive) {
		body, _ := content(t, name, decrypt(t, f, name))
		stream = append(stream, body...)
	}
	r := tar.NewReader(bytes.NewReader(stream))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if digest, ok := strings.CutPrefix(h.Name, "blobs/sha256/"); ok && oci.Digest(body).Encoded() != digest {
			t.Errorf("%s holds other bytes", h.Name)
		}
	}
}
