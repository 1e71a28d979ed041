package graphdata

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

const realData = "../../../../shared/data"

// TestReal reads the data of openshift/cincinnati-graph-data.
func TestReal(t *testing.T) {
	t.Parallel()
	items := []item{}
	for dir, below := range map[string]string{"graph-data-channels": "channels/", "graph-data-blocked-edges-4.19": "blocked-edges/"} {
		files, err := filepath.Glob(filepath.Join(realData, "release", dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Skip("the data of other projects is not here")
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := below + filepath.Base(file)
			if filepath.Base(file) == "version" {
				name = "version"
			}
			items = append(items, item{name: name, body: string(body)})
		}
	}
	want := []string{"5 755 0:0 0 var/\t", "5 755 0:0 0 var/lib/\t", "5 755 0:0 0 var/lib/data/\t", "0 644 0:0 0 var/lib/data/.wh..wh..opq\t", "5 755 0:0 0 var/lib/data/blocked-edges/\t", "5 755 0:0 0 var/lib/data/channels/\t"}
	for _, it := range items {
		want = append(want, fmt.Sprintf("0 644 0:0 0 var/lib/data/%s\t%s", it.name, it.body))
	}
	slices.Sort(want)
	_, got := layer(t, pack(t, nil, items...))
	slices.Sort(got)
	if len(got) < 200 || !slices.Equal(got, want) {
		t.Errorf("got %d entries, want %d", len(got), len(want))
	}
}

// TestPeerLayer takes the data out of a graph image that oc-mirror made.
func TestPeerLayer(t *testing.T) {
	t.Parallel()
	const below = "/var/lib/cincinnati-graph-data"
	body, err := os.ReadFile(filepath.Join(realData, "oci/layouts/graph-staging/blobs/sha256/1b33520438e2e8cf5e49425e5793fd779ff833cbac7ef2400a09c60ebcf2e850"))
	if err != nil {
		t.Skipf("the data of other projects is not here: %v", err)
	}
	if _, err := Read(bytes.NewReader(body)); err == nil || !strings.Contains(err.Error(), "no file version at the top") {
		t.Errorf("a layer was taken for an archive: %v", err)
	}
	gz, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var items []item
	data := 0
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		it := item{name: "." + strings.TrimPrefix(h.Name, below), body: string(body)}
		if h.Typeflag == tar.TypeDir {
			it.name += "/"
		}
		items = append(items, it)
		if isRead(wanders(it.name)) {
			data++
		}
	}
	// Three directories around it and what hides the layers below are added.
	if _, got := layer(t, pack(t, nil, items...)); len(got) != data+4 || len(got) < 100 {
		t.Errorf("%d entries, %d of them data, became %d", len(items), data, len(got))
	}
}

// TestHoles has files that take next to nothing of an archive, as GNU tar writes them.
func TestHoles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int64{"version": 0, "channels/x.yaml": 0, "channels/hole.yaml": 1 << 40} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("1.1.0"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if size > 0 {
			if err := os.Truncate(file, size); err != nil {
				t.Skipf("no sparse files here: %v", err)
			}
		}
	}
	for format, want := range map[string]string{"posix": "it has more than 256 MiB when decompressed", "gnu": `"channels/hole.yaml" is of type 'S'`} {
		archive, err := proctest.Command(t, "tar", "-C", dir, "-czSf", "-", "--format="+format, "version", "channels").Output()
		if err != nil {
			t.Skipf("tar: %v", err)
		}
		_, err = Read(bytes.NewReader(archive))
		var refused *oci.UnsupportedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

// rawEntry is an entry of a tar as it stands, with what no writer would write.
func rawEntry(name string, flag byte, body string) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", len(body)))
	h[156] = flag
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(append(h, body...), make([]byte, (512-len(body)%512)%512)...)
}

// TestHugeHole has a sparse file of as many bytes as a number can say.
func TestHugeHole(t *testing.T) {
	t.Parallel()
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=raw", "GNU.sparse.realsize=9223372036854775807"} {
		n := len(r) + 4
		if n >= 100 {
			t.Fatal("count the digits")
		}
		records += fmt.Sprintf("%d %s\n", n, r)
	}
	var raw bytes.Buffer
	z := gzip.NewWriter(&raw)
	for _, e := range [][]byte{rawEntry("version", '0', "1.0.0\n"), rawEntry("channels/x", '0', "x"), rawEntry("x", 'x', records), rawEntry("raw", '0', "0\n"+strings.Repeat("\x00", 510)), make([]byte, 1024)} {
		if _, err := z.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&raw); err == nil || !strings.Contains(err.Error(), "more than 256 MiB when decompressed") {
		t.Errorf("got %v", err)
	}
}

// TestManyParents has few files in very many directories.
func TestManyParents(t *testing.T) {
	t.Parallel()
	list := few()
	for i := range 2500 {
		list = append(list, item{name: fmt.Sprintf("raw/%d%s/x", i, strings.Repeat("/a", 100))})
	}
	_, err := Read(bytes.NewReader(pack(t, nil, list...)))
	if err == nil || !strings.Contains(err.Error(), "directories") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead: whatever the bytes are, they are refused or become a layer that has
// nothing but files and directories below its own, each once.
func FuzzRead(f *testing.F) {
	good := pack(f, nil, few()...)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(pack(f, nil, item{name: "a/version", body: "1.0.0"}, item{name: "a/channels/x"}, item{name: "a/../b", flag: tar.TypeSymlink}))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255})
	f.Fuzz(func(t *testing.T, archive []byte) {
		d, err := Read(bytes.NewReader(archive))
		if err != nil {
			var refused *oci.UnsupportedError
			if !errors.As(err, &refused) {
				t.Fatalf("not refused, but %v", err)
			}
			return
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		_, got := layer(t, archive)
		names := map[string]bool{}
		for _, e := range got {
			head, _, _ := strings.Cut(e, "\t")
			part := strings.SplitN(head, " ", 5)
			if !strings.Contains("05", part[0]) || part[2] != "0:0" || part[3] != "0" {
				t.Fatalf("it has %q", e)
			}
			name := strings.TrimSuffix(part[4], "/")
			if names[name] || path.Clean(name) != name || !slices.Contains([]string{"var", "var/lib", "var/lib/data"}, name) && !strings.HasPrefix(name, "var/lib/data/") {
				t.Fatalf("it has %q", e)
			}
			names[name] = true
		}
	})
}
