package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// files reads a layer's entries: "NAME=BODY", "DIR/", "NAME->TARGET" (a symbolic
// link), "NAME=>TARGET" (a hard link), "NAME!c" (device 0/0), "NAME!p" (a fifo).
func files(list ...string) []ocitest.File {
	var out []ocitest.File
	for _, s := range list {
		f := ocitest.File{Name: s}
		if name, to, ok := strings.Cut(s, "->"); ok {
			f = ocitest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeSymlink, Linkname: to}}
		} else if name, to, ok := strings.Cut(s, "=>"); ok {
			f = ocitest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeLink, Linkname: to}}
		} else if name, kind, ok := strings.Cut(s, "!"); ok {
			f = ocitest.File{Name: name, Header: &tar.Header{Typeflag: map[string]byte{"c": tar.TypeChar, "p": tar.TypeFifo, "?": '7'}[kind]}}
		} else if name, body, ok := strings.Cut(s, "="); ok {
			f = ocitest.File{Name: name, Body: []byte(body)}
		} else if strings.HasSuffix(s, "/") {
			f.Header = &tar.Header{Typeflag: tar.TypeDir}
		}
		out = append(out, f)
	}
	return out
}

// image makes one of layers given from the bottom up.
func image(t *testing.T, c *ocitest.Content, mediaType string, layers ...[]string) (oci.Descriptor, []oci.Descriptor) {
	t.Helper()
	var ds []oci.Descriptor
	for i, entries := range layers {
		// A file of its own, so that no two layers are one blob.
		d, err := c.Files(mediaType, files(append([]string{fmt.Sprintf("layer-%d=x", i)}, entries...)...)...)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, d)
	}
	return c.Image(mediaType == ocitest.LayerDocker, ds...), ds
}

// counting counts what is opened, and may spoil it.
type counting struct {
	oci.Source
	mu     sync.Mutex
	opened []digestOf
	spoil  map[digestOf]func(io.Reader) io.Reader
}

func (c *counting) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	c.mu.Lock()
	c.opened = append(c.opened, d.Digest)
	c.mu.Unlock()
	rc, err := c.Source.Open(ctx, d, off)
	if edit := c.spoil[d.Digest]; err == nil && edit != nil {
		rc = io.NopCloser(edit(rc))
	}
	return rc, err
}

// layersRead lists by number, from the bottom, which layers were opened.
func (c *counting) layersRead(layers []oci.Descriptor) string {
	var list []string
	for _, d := range c.opened {
		if i := slices.IndexFunc(layers, func(l oci.Descriptor) bool { return l.Digest == d }); i >= 0 {
			list = append(list, fmt.Sprint(i))
		}
	}
	return strings.Join(list, " ")
}

// walked lists what Walk visits as "NAME=BODY".
func walked(ctx context.Context, src oci.Source, d oci.Descriptor, dir string) (string, error) {
	var list []string
	err := Walk(ctx, src, d, dir, func(name string, size int64, r io.Reader) error {
		b, err := io.ReadAll(r)
		if err == nil && int64(len(b)) != size {
			err = fmt.Errorf("%s has %d bytes, declared %d", name, len(b), size)
		}
		list = append(list, name+"="+string(b))
		return err
	})
	slices.Sort(list)
	return strings.Join(list, " "), err
}

func TestWalk(t *testing.T) {
	tests := []struct {
		name   string
		dir    string
		layers [][]string // from the bottom up
		want   string     // what is visited
		read   string     // which layers were opened
	}{
		{"one layer", "configs", [][]string{{"configs/", "configs/a=1", "configs/b/c=2", "configsx/d=3", "usr/configs/e=4"}}, "configs/a=1 configs/b/c=2", "0"},
		{"spellings", "/configs//", [][]string{{"./configs/x=1"}, {"/configs/y=2"}, {"configs//z=3"}, {"configs/./u=4"}}, "configs/u=4 configs/x=1 configs/y=2 configs/z=3", "3 2 1 0"},
		{"upper file wins", "c", [][]string{{"c/x=old", "c/y=1"}, {"./c//x=new"}}, "c/x=new c/y=1", "1 0"},
		{"whiteout", "c", [][]string{{"c/x=1", "c/y=2"}, {"c/.wh.x="}}, "c/y=2", "1 0"},
		{"whiteout of a directory", "c", [][]string{{"c/d/x=1", "c/d/e/y=2", "c/de=3"}, {"c/.wh.d="}}, "c/de=3", "1 0"},
		{"whiteout of dir itself", "c", [][]string{{"c/x=1"}, {".wh.c="}}, "", "1"},
		{"whiteout of a parent", "a/b/c", [][]string{{"a/b/c/x=1"}, {"a/.wh.b="}}, "", "1"},
		{"whiteout and new in one layer", "c", [][]string{{"c/x=old", "c/d/y=old"}, {"c/x=new", "c/.wh.x=", "c/.wh.d=", "c/d/z=new"}}, "c/d/z=new c/x=new", "1 0"},
		{"whiteout, then back", "c", [][]string{{"c/x=1", "c/y=1"}, {"c/.wh.x=", "c/.wh.y="}, {"c/x=3"}}, "c/x=3", "2 1 0"},
		{"whiteout of another name", "c", [][]string{{"c/x=1"}, {".wh.configs=", "c/.wh.xx="}}, "c/x=1", "1 0"},
		{"whiteout of dir and new dir", "c", [][]string{{"c/x=1"}, {".wh.c=", "c/y=2"}}, "c/y=2", "1"},
		{"opaque", "c", [][]string{{"c/x=1", "c/d/y=2"}, {"c/d/.wh..wh..opq=", "c/d/z=3"}}, "c/d/z=3 c/x=1", "1 0"},
		{"opaque dir", "c", [][]string{{"c/x=1"}, {"c/y=2", "c/.wh..wh..opq="}}, "c/y=2", "1"},
		{"opaque parent", "a/c", [][]string{{"a/c/x=1"}, {"a/.wh..wh..opq="}}, "", "1"},
		{"opaque root", "c", [][]string{{"c/x=1"}, {".wh..wh..opq=", "c/y=2"}}, "c/y=2", "1"},
		{"opaque at the bottom only", "c", [][]string{{"c/z=1"}, {"c/.wh..wh..opq=", "c/x=1"}, {"c/y=2"}}, "c/x=1 c/y=2", "2 1"},
		{"file over a directory", "c", [][]string{{"c/d/x=1"}, {"c/d=2"}}, "c/d=2", "1 0"},
		{"directory over a file", "c", [][]string{{"c/d=1"}, {"c/d/"}}, "", "1 0"},
		{"directory over a file, implied", "c", [][]string{{"c/d=1"}, {"c/d/x=2"}}, "c/d/x=2", "1 0"},
		{"a hidden file hides too", "c", [][]string{{"c/d/x=1"}, {"c/d=2"}, {"c/d/y=3"}}, "c/d/y=3", "2 1 0"},
		{"a hidden whiteout hides too", "c", [][]string{{"c/d/x=1"}, {"c/.wh.d="}, {"c/d/y=3"}}, "c/d/y=3", "2 1 0"},
		{"file over dir", "c", [][]string{{"c/x=1"}, {"c=2"}}, "c=2", "1"},
		{"link over a parent, hidden", "a/c", [][]string{{"a->b"}, {"a/z=1"}}, "", "1 0"},
		{"link hidden by a whiteout", "c", [][]string{{"c/x->y", "c/z=1"}, {"c/.wh.x="}}, "c/z=1", "1 0"},
		{"link hidden by a file", "c", [][]string{{"c/x->y"}, {"c/x=1"}}, "c/x=1", "1 0"},
		{"links elsewhere", "c", [][]string{{"lib->usr/lib", "usr/x=>usr/y", "cc->c", "c/x=1"}}, "c/x=1", "0"},
		{"device 0/0", "c", [][]string{{"c/x=1", "c/d/y=2", "c/z=3"}, {"c/x!c", "c/d!c"}}, "c/z=3", "1 0"},
		{"fifo", "c", [][]string{{"c/x=1", "c/y=2"}, {"c/x!p"}}, "c/y=2", "1 0"},
		{"bookkeeping of aufs", "c", [][]string{{"c/.wh..wh.plnk/1.2=x", "c/.wh..wh.orph=", "c/x=1"}}, "c/x=1", "0"},
		{"directories merge", "c", [][]string{{"c/", "c/d/", "c/d/x=1"}, {"c/", "c/d/", "c/d/", "c/d/y=2"}}, "c/d/x=1 c/d/y=2", "1 0"},
		{"duplicate elsewhere", "c", [][]string{{"d/x=1", "d/x=2", "c/x=3"}}, "c/x=3", "0"},
		{"dots inside", "c", [][]string{{"usr/../c/./d/../x=1", "var/lib/../y=2"}}, "c/x=1", "0"},
		{"dir is a file", "c/f", [][]string{{"c/f=1", "c/g=2"}}, "c/f=1", "0"},
		{"everything", "/", [][]string{{"x=1"}, {"a/y=2"}}, "a/y=2 layer-0=x layer-1=x x=1", "1 0"},
		{"nothing there", "c", [][]string{{"d/x=1"}}, "", "0"},
	}
	for _, tc := range tests {
		for _, mediaType := range []string{ocitest.LayerGzip, ocitest.LayerZstd, ocitest.LayerTar, ocitest.LayerDocker} {
			t.Run(tc.name+" "+mediaType[strings.LastIndexAny(mediaType, ".+")+1:], func(t *testing.T) {
				c := ocitest.New(1)
				d, layers := image(t, c, mediaType, tc.layers...)
				src := &counting{Source: c}
				got, err := walked(t.Context(), src, d, tc.dir)
				if err != nil || got != tc.want {
					t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
				}
				if read := src.layersRead(layers); read != tc.read {
					t.Errorf("read layers %s, want %s", read, tc.read)
				}
			})
		}
	}
}

// TestWalkTwice has the last of what a layer has twice, also after the end was asked for.
func TestWalkTwice(t *testing.T) {
	c := ocitest.New(1)
	d, _ := image(t, c, ocitest.LayerGzip, []string{"c/x=old"}, []string{"c/x=1", "c/y=1", "./c/x=2", "c/z->x", "c/z=3", "c/w=4", "c/w->x"})
	for _, stop := range []bool{false, true} {
		last := map[string]string{}
		err := Walk(t.Context(), c, d, "c", func(name string, _ int64, r io.Reader) error {
			b, err := io.ReadAll(r)
			if last[name] = string(b); err == nil && stop {
				err = Stop
			}
			return err
		})
		want := "map[c/w:2 c/x:2 c/y:1 c/z:3]"
		if stop {
			want = "map[c/x:2]"
		}
		if got := fmt.Sprint(last); err != nil || got != want {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

// TestWalkLinks follows links as a pod would.
func TestWalkLinks(t *testing.T) {
	loop := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("l/%d->%d", i, i+1))
		}
		return append(list, fmt.Sprintf("l/%d=end", n))
	}
	tests := []struct {
		name, dir string
		layers    [][]string
		want      string // what is visited, or the error
	}{
		{"a file", "c", [][]string{{"c/x->../y", "y=1", "c/z=2"}}, "c/x=1 c/z=2"},
		{"an absolute one", "c", [][]string{{"y=1"}, {"c/x->/y"}}, "c/x=1"},
		{"out of the image", "c", [][]string{{"y=1", "c/x->../../../../y"}}, "c/x=1"},
		{"to a file of the directory", "c", [][]string{{"c/x->d/y", "c/d/y=1"}}, "c/d/y=1 c/x=1"},
		{"through directories", "c", [][]string{{"a/b/y=1", "e->a/b", "c/x->../e/../b/y", "c/w->/e/y"}}, "c/w=1 c/x=1"},
		{"of a link", "c", [][]string{{"c/x->w", "c/w->/v", "v->u", "u=1"}}, "c/w=1 c/x=1"},
		{"two of one file", "c", [][]string{{"c/x->/u", "c/y->/u", "u=1", "c/z->/v", "v=2"}}, "c/x=1 c/y=1 c/z=2"},
		{"what is there at last", "c", [][]string{{"c/x->/u", "u=old"}, {"u=new"}}, "c/x=new"},
		{"a link that another replaces", "c", [][]string{{"c/x->/u", "u=1", "v=2"}, {"c/x->/v"}}, "c/x=2"},
		{"a file that replaces a link on the way", "c", [][]string{{"e->u", "u/y=1", "c/x->/e/y"}, {"e/y=2"}}, "c/x=2"},
		{"to a directory", "c", [][]string{{"c/x->d", "c/d/y=1", "e/f=1", "c/w->/e"}}, "c/d/y=1"},
		{"to nothing", "c", [][]string{{"c/x->d"}}, `"c/x" is a link that leads to no file`},
		{"to itself", "c", [][]string{{"c/x->x"}}, `"c/x" is a link that leads to no file`},
		{"many", "l", [][]string{loop(39)}, ""},
		{"too many", "l", [][]string{loop(41)}, `"l/0" is a link that leads to no file`},
		{"a hard link", "c", [][]string{{"c/y=1", "c/x=>c/y"}}, "c/x=1 c/y=1"},
		{"a hard link to elsewhere", "c", [][]string{{"u=1", "c/x=>./u"}, {".wh.u="}}, "c/x=1"},
		{"hard links to one file", "c", [][]string{{"u=1", "v=2", "c/x=>u", "c/y=>u", "c/z=>u", "c/w=>v"}}, "c/w=2 c/x=1 c/y=1 c/z=1"},
		{"a hard link to a lower layer", "c", [][]string{{"u=1"}, {"c/x=>u"}}, "c/x=1"},
		{"a hard link to a link", "c", [][]string{{"d/u=1", "d/v->u", "c/u=2", "c/x=>d/v"}}, "c/u=2 c/x=2"},
		{"the directory", "c", [][]string{{"c->d", "d/x=1", "d/e/y=2"}}, "c/e/y=2 c/x=1"},
		{"the directory, absolute", "/c", [][]string{{"d/e/x=1"}, {"c->/d/e"}}, "c/x=1"},
		{"the directory, and more in it", "c", [][]string{{"c->d", "d/x=1"}, {"d/y=2", "d/.wh.x="}}, "c/y=2"},
		{"a directory above", "a/c", [][]string{{"a->d", "d/c/x=1"}}, "a/c/x=1"},
		{"both", "a/c", [][]string{{"a->d", "d/c->../e", "e/x->y", "e/y=1"}}, "a/c/x=1 a/c/y=1"},
		{"the directory, hidden", "c", [][]string{{"c->d", "d/x=1"}, {"c/y=2"}}, "c/y=2"},
		{"the directory, to nothing", "c", [][]string{{"c->d"}}, ""},
		{"the directory, to itself", "c", [][]string{{"c->c"}}, `its directory "c" is, or is in, a link that leads to none`},
		{"the directory, to the root", "c", [][]string{{"c->/"}}, `its directory "c" is, or is in, a link that leads to none`},
		{"lower", "c", [][]string{{"c/x->y"}, {"c/y=1"}}, "c/x=1 c/y=1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := ocitest.New(1)
			d, _ := image(t, c, ocitest.LayerGzip, tc.layers...)
			got, err := walked(t.Context(), c, d, tc.dir)
			if tc.name == "many" && err == nil && strings.Count(got, "=end") == 40 {
				return
			}
			if err != nil && tc.want != "" && strings.HasSuffix(err.Error(), tc.want) {
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
			}
		})
	}
}

// TestWalkManyLinks has thousands of links to as many files, in few readings of the layer,
// and refuses links to one file that would take thousands.
func TestWalkManyLinks(t *testing.T) {
	t.Parallel()
	const many = 3000
	for _, arrow := range []string{"->/", "=>"} {
		for _, one := range []bool{false, true} {
			entries := []string{"u/0=x"}
			for i := range many {
				if to := i; one {
					entries = append(entries, fmt.Sprintf("c/%d%su/0", i, arrow))
				} else {
					entries = append(entries, fmt.Sprintf("u/%d=%d", to+1, to), fmt.Sprintf("c/%d%su/%d", i, arrow, to+1))
				}
			}
			c := ocitest.New(1)
			d, layers := image(t, c, ocitest.LayerGzip, entries)
			count := &counting{Source: c}
			n := 0
			err := Walk(t.Context(), count, d, "c", func(string, int64, io.Reader) error { n++; return nil })
			read := len(strings.Fields(count.layersRead(layers)))
			switch {
			case !one && (err != nil || n != many || read > 3):
				t.Errorf("%s: %d visited in %d readings, %v", arrow, n, read, err)
			case one && (err == nil || !strings.Contains(err.Error(), "more than 64 times") || read > 70):
				t.Errorf("%s, to one file: %d readings, %v", arrow, read, err)
			}
		}
	}
}

func TestWalkRefuses(t *testing.T) {
	tests := []struct {
		name, dir string
		layers    [][]string
		want      string // after "layer sha256:...: "
	}{
		{"unknown type", "c", [][]string{{"c/x!?"}}, `"c/x" is an entry of unknown type '7'`},
		{"file and directory", "c", [][]string{{"c/x=1", "c/x/y=2"}}, `"c/x" is a file and a directory at once`},
		{"directory and file", "c", [][]string{{"c/x/y=2", "c/x=1"}}, `"c/x" is a file and a directory at once`},
		{"dots of the root", "c", [][]string{{"usr/..=1"}}, `the name "usr/.." leads out of its directory`},
		{"dots", "c", [][]string{{"c/../../etc/passwd=1"}}, `the name "c/../../etc/passwd" leads out of its directory`},
		{"whiteout of dots", "c", [][]string{{"c/.wh...=1"}}, `"c/.wh..." is a whiteout of no file`},
		{"whiteout of nothing", "c", [][]string{{"c/.wh.=1"}}, `"c/.wh." is a whiteout of no file`},
		{"below a whiteout", "c", [][]string{{"c/.wh.x/y=1"}}, `"c/.wh.x/y" lies below a whiteout`},
		{"long name", "c", [][]string{{"c/" + strings.Repeat("x", 5000) + "=1"}}, `the name "c/` + strings.Repeat("x", 62) + `"... has 5002 bytes; no file system takes more than 4096`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := ocitest.New(1)
			d, layers := image(t, c, ocitest.LayerGzip, tc.layers...)
			_, err := walked(t.Context(), c, d, tc.dir)
			want := "layer " + layers[0].Digest.String() + ": " + tc.want
			var ue *oci.UnsupportedError
			if !errors.As(err, &ue) || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	c := ocitest.New(1)
	d, _ := image(t, c, ocitest.LayerGzip, []string{"c/x=1"})
	for dir, want := range map[string]string{"../c": `cannot read a directory of it: the name "../c" leads out of its directory`, "c\x00": `cannot read a directory of it: the name "c\x00" has a zero byte in it`} {
		if _, err := walked(t.Context(), c, d, dir); err == nil || err.Error() != "image "+d.Digest.String()+": "+want {
			t.Errorf("%q: got %v", dir, err)
		}
	}
}

// TestKnownIsBounded has more paths than may be remembered.
func TestKnownIsBounded(t *testing.T) {
	c := ocitest.New(1)
	var entries []string
	for i := range 3000 {
		entries = append(entries, fmt.Sprintf("c/%s%d=", strings.Repeat("long/", 800), i))
	}
	d, layers := image(t, c, ocitest.LayerGzip, entries)
	_, err := walked(t.Context(), c, d, "c")
	want := "layer " + layers[0].Digest.String() + ": there are more paths than can be remembered in 8 MiB"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
