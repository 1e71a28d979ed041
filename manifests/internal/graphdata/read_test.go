package graphdata

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
)

// item is an entry of an archive.
type item struct {
	name, body string
	flag       byte // tar.TypeReg unless set; names that end in / are directories
}

// pack makes an archive; edit changes headers.
func pack(t testing.TB, edit func(*tar.Header), items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, it := range items {
		h := &tar.Header{Typeflag: it.flag, Name: it.name, Mode: 0o600, Size: int64(len(it.body))}
		switch {
		case it.flag == tar.TypeXGlobalHeader:
			h = &tar.Header{Typeflag: it.flag, Name: it.name, PAXRecords: map[string]string{"comment": it.body}}
			it.body = ""
		case it.flag != 0:
			h.Linkname = "version"
		case strings.HasSuffix(it.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if edit != nil && it.flag != tar.TypeXGlobalHeader {
			edit(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, it.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// few is graph data.
func few() []item {
	return []item{
		{name: "version", body: "1.1.0\n"},
		{name: "channels/"},
		{name: "channels/stable-4.19.yaml", body: "name: stable-4.19\n"},
		{name: "channels/a/b.yaml", body: "name: b\n"},
		{name: "raw/"},
		{name: "LICENSE"},
	}
}

// kept keeps what is made, in memory.
type kept struct{ oci.Memory }

func (k *kept) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return k.Add(mediaType, body), nil
}

func (k *kept) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return oci.Descriptor{}, err
	}
	return k.Put(mediaType, b.Bytes())
}

// layer gives what an archive becomes, and its entries as "TYPE MODE UID:GID TIME NAME\tBODY".
func layer(t testing.TB, archive []byte) (rebuild.Layer, []string) {
	t.Helper()
	d, err := Read(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	var k kept
	l, err := d.Layer(&k, "var/lib/data")
	if err = errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	body, err := oci.ReadBlob(t.Context(), &k, l.Blob, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return l, entries(t, body)
}

func entries(t testing.TB, layer []byte) (list []string) {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%c %o %d:%d %d %s\t%s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.Name, body))
	}
}

func TestLayer(t *testing.T) {
	t.Parallel()
	want := []string{
		"5 755 0:0 0 var/\t",
		"5 755 0:0 0 var/lib/\t",
		"5 755 0:0 0 var/lib/data/\t",
		"0 644 0:0 0 var/lib/data/.wh..wh..opq\t",
		"5 755 0:0 0 var/lib/data/channels/\t",
		"5 755 0:0 0 var/lib/data/channels/a/\t",
		"0 644 0:0 0 var/lib/data/channels/a/b.yaml\tname: b\n",
		"0 644 0:0 0 var/lib/data/channels/stable-4.19.yaml\tname: stable-4.19\n",
		"5 755 0:0 0 var/lib/data/raw/\t",
		"0 644 0:0 0 var/lib/data/version\t1.1.0\n",
	}
	first, got := layer(t, pack(t, nil, few()...))
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	below := func(top string) []item {
		list := few()
		for i := range list {
			list[i].name = top + list[i].name
		}
		return list
	}
	backwards := few()
	slices.Reverse(backwards)
	later := func(h *tar.Header) {
		h.ModTime, h.Mode, h.Uid, h.Gid, h.Uname = time.Unix(1700000000, 0), 0o777, 1000, 1000, "someone"
	}
	git := append([]item{{name: "pax_global_header", body: "52fdfc07", flag: tar.TypeXGlobalHeader}, {name: "graph-data-master/"}}, below("graph-data-master/")...)
	for name, archive := range map[string][]byte{
		"another order":       pack(t, nil, backwards...),
		"other times, owners": pack(t, later, few()...),
		"from a directory":    pack(t, nil, append([]item{{name: "./"}}, below("./")...)...),
		"of a git host":       pack(t, later, git...),
		"a directory unnamed": pack(t, nil, slices.DeleteFunc(few(), func(it item) bool { return it.name == "channels/" })...),
		"names that wander":   pack(t, nil, below(".//./")...),
	} {
		if again, got := layer(t, archive); again.Blob.Digest != first.Blob.Digest || again.DiffID != first.DiffID {
			t.Errorf("%s: %s, not %s: %q", name, again.Blob.Digest, first.Blob.Digest, got)
		}
	}
	if other, _ := layer(t, pack(t, nil, append(few(), item{name: "blocked-edges/more"})...)); other.DiffID == first.DiffID {
		t.Error("other data is the same layer")
	}
}

// TestPassedOver has whatever a repository may have beside the data.
func TestPassedOver(t *testing.T) {
	t.Parallel()
	want, _ := layer(t, pack(t, nil, few()...))
	beside := []item{
		{name: "README.md", body: "words"}, {name: "hack/tool.py", body: "#!/bin/sh"}, {name: "hack/tool.py", body: "again"},
		{name: "CLAUDE.md", flag: tar.TypeSymlink}, {name: "docs/x", flag: tar.TypeLink}, {name: "dev\x1b", flag: tar.TypeChar}, {name: "pipe", flag: tar.TypeFifo},
		{name: "vendor", flag: 'V'}, {name: "channels/../../x"}, {name: "raw/.."}, {name: "/etc/x", flag: tar.TypeSymlink}, {name: "hack/.wh.x"}, {name: "\xff\xfe"},
		{name: strings.Repeat("x", 300)}, {name: "LICENSE/x"}, {name: "internal-channels/x.yaml"}, {name: "channels/"}, {name: "raw//"},
		{name: "channels/OWNERS", flag: tar.TypeSymlink}, {name: "channels/old/x.yaml", flag: tar.TypeLink}, {name: "blocked-edges/README.md", flag: tar.TypeSymlink},
		{name: "raw/pipe", flag: tar.TypeFifo}, {name: "raw/.wh.metadata.json"}, {name: "channels/a\nb"},
	}
	for _, top := range []string{"", "graph-data-main/"} {
		var list []item
		for _, it := range append(few(), beside...) {
			if it.name[0] != '/' {
				it.name = top + it.name
			}
			list = append(list, it)
		}
		for range 2 {
			if got, entries := layer(t, pack(t, nil, list...)); got.DiffID != want.DiffID {
				t.Errorf("%q: got %q", top, entries)
			}
			slices.Reverse(list)
			if top != "" {
				list = append(list, item{name: "._graph-data-main", body: "x"}, item{name: "channels", flag: tar.TypeSymlink})
			}
		}
	}
}

// TestDoubts has data that can be read, and that an update service would not take.
func TestDoubts(t *testing.T) {
	t.Parallel()
	whole := []item{{name: "version", body: "1.2.0\n"}, {name: "channels/x.yaml"}, {name: "blocked-edges/y.yaml"}, {name: "raw/metadata.json", body: "{}"}}
	newer := append([]item{{name: "version", body: "1.3.0"}}, whole[1:]...)
	for _, tc := range []struct {
		items []item
		want  string
	}{
		{whole, ""},
		{newer, "its version is 1.3.0; an update service that knows versions up to 1.2.0 refuses it"},
		{whole[:3], "it has no raw/metadata.json, which an update service reads before it answers"},
		{append(whole[:2:2], whole[3]), "it has no blocked-edges, which an update service reads before it answers"},
	} {
		d, err := Read(bytes.NewReader(pack(t, nil, tc.items...)))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.Doubts(), "|"); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	with := func(more ...item) []byte { return pack(t, nil, append(few(), more...)...) }
	good := with()
	var plain bytes.Buffer
	if err := tar.NewWriter(&plain).Close(); err != nil {
		t.Fatal(err)
	}
	zipped := func(body []byte) []byte {
		var b bytes.Buffer
		gz := gzip.NewWriter(&b)
		if _, err := gz.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := gz.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // the checksum
	many := make([]item, maxEntries)
	for i := range many {
		many[i] = item{name: fmt.Sprint("raw/", i)}
	}
	tests := []struct {
		name    string
		archive []byte
		want    string
	}{
		{"nothing", nil, `it is not a gzip archive; it begins with ""`},
		{"a page", []byte("<!DOCTYPE html>\x1b[31m<title>Log in</title>"), `it begins with "<!DOCTYPE html>\x1b[31m`},
		{"a plain tar", plain.Bytes(), "it is not a gzip archive"},
		{"no tar", zipped([]byte(strings.Repeat("words ", 1000))), "what the archive has is no tar"},
		{"cut", good[:len(good)/2], "the archive is cut short"},
		{"cut in the checksum", good[:len(good)-3], "the archive is cut short"},
		{"cut in the header", good[:5], "it is not a gzip archive"},
		{"damaged", flipped, "the archive is damaged: gzip: invalid checksum"},
		{"more behind it", append(bytes.Clone(good), zipped([]byte("more"))...), "something follows the end of the tar"},
		{"a symbolic link", with(item{name: "channels/x.yaml", flag: tar.TypeSymlink}), `"channels/x.yaml" is a link`},
		{"a link in place of data", pack(t, nil, few()[0], item{name: "channels", flag: tar.TypeSymlink}), `"channels" is a link`},
		{"a link below a directory", pack(t, nil, item{name: "d/version", body: "1.1.0"}, item{name: "d/channels/x"}, item{name: "d/blocked-edges/y.yaml", flag: tar.TypeSymlink}), `"d/blocked-edges/y.yaml" is a link`},
		{"a name that leads back", with(item{name: "x/../channels/y.yaml"}), `"x/../channels/y.yaml" leads out of it`},
		{"a pipe", with(item{name: "channels/p.yaml", flag: tar.TypeFifo}), `"channels/p.yaml" is a device or a pipe`},
		{"a hard link", with(item{name: "channels/x.yml", flag: tar.TypeLink}), `"channels/x.yml" is a link`},
		{"something else", with(item{name: "version", flag: 'V'}), `"version" is of type 'V'`},
		{"a file twice", with(item{name: "./version", body: "2"}), `it has "version" twice`},
		{"a file and a directory", with(item{name: "version/x"}), `"version" is a file and a directory in it`},
		{"a whiteout", with(item{name: "channels/.wh.x.yaml"}), `"channels/.wh.x.yaml" would hide another`},
		{"no text", with(item{name: "channels/\xff\xfe.yaml"}), "the name"},
		{"control characters", with(item{name: "channels/a\nb.yaml"}), `"channels/a\nb.yaml" has characters`},
		{"a long name", with(item{name: "channels/" + strings.Repeat("x", 252) + ".yaml"}), "has more than 255 bytes"},
		{"too many", with(many...), "it has more than 100000 entries"},
		{"empty", pack(t, nil), "it has no file version at the top"},
		{"no version", pack(t, nil, few()[1:]...), "it has no file version at the top"},
		{"a version that is a directory", pack(t, nil, append([]item{{name: "version/"}}, few()[1:]...)...), "it has no file version at the top"},
		{"a version below two directories", pack(t, nil, item{name: "a/b/version", body: "1.1.0"}, item{name: "a/b/channels/x"}), "it has no file version at the top"},
		{"two directories", pack(t, nil, item{name: "a/version", body: "1.1.0"}, item{name: "a/channels/x"}, item{name: "b/version", body: "1.1.0"}), "it has no file version at the top"},
		{"another version", pack(t, nil, append([]item{{name: "version", body: "<html>"}}, few()[1:]...)...), `its file version has no version in it, but "<html>"`},
		{"a long version", pack(t, nil, append([]item{{name: "version", body: "1.1.0" + strings.Repeat(" ", 100)}}, few()[1:]...)...), "its file version has no version in it"},
		{"no channels", pack(t, nil, few()[0], few()[1], few()[4]), "it has no channels"},
		{"too large", with(item{name: "raw/large", body: strings.Repeat("\x00", maxContent)}), "it has more than 256 MiB when decompressed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(tc.archive))
			var refused *oci.UnsupportedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("the error has control characters: %q", err)
			}
		})
	}
}
