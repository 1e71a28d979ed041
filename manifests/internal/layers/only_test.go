package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func fileOf(name string, kind byte, link string) ocitest.File {
	return ocitest.File{Name: name, Header: &tar.Header{Typeflag: kind, Mode: 0o644, Linkname: link}}
}

func TestOnly(t *testing.T) {
	file := func(name string) ocitest.File { return fileOf(name, tar.TypeReg, "") }
	dir := func(name string) ocitest.File { return fileOf(name, tar.TypeDir, "") }
	tests := []struct {
		name  string
		files []ocitest.File
		want  bool
	}{
		{"the catalog", []ocitest.File{dir("configs/"), file("configs/a/b.json")}, true},
		{"written otherwise", []ocitest.File{file("./configs//a.json"), file("/tmp/cache/x")}, true},
		{"with directories around", []ocitest.File{dir("tmp/"), dir("etc/"), file("tmp/cache/digest")}, true},
		{"links", []ocitest.File{fileOf("configs/a", tar.TypeSymlink, "/etc/b"), fileOf("configs/c", tar.TypeLink, "bin/x")}, true},
		{"whiteouts", []ocitest.File{file("configs/.wh.a"), file("tmp/cache/.wh..wh..opq")}, true},
		{"the directory taken away", []ocitest.File{file(".wh.configs")}, true},
		{"a link in its place", []ocitest.File{fileOf("configs", tar.TypeSymlink, "elsewhere")}, true},
		{"something else", []ocitest.File{file("configs/a"), file("etc/release")}, false},
		{"something taken away elsewhere", []ocitest.File{file("configs/a"), file("etc/.wh.release")}, false},
		{"a device elsewhere", []ocitest.File{file("configs/a"), fileOf("dev/x", tar.TypeChar, "")}, false},
		{"a name that begins alike", []ocitest.File{file("configs2/a")}, false},
		{"above", []ocitest.File{file("tmp/cachet")}, false},
		{"out of it", []ocitest.File{file("configs/../etc/passwd")}, false},
		{"directories alone", []ocitest.File{dir("configs/"), dir("data/")}, false},
		{"nothing", nil, false},
	}
	for _, tc := range tests {
		for _, mt := range []string{ocitest.LayerGzip, ocitest.LayerZstd, ocitest.LayerTar} {
			c := ocitest.New(1)
			d, err := c.Files(mt, tc.files...)
			if err != nil {
				t.Fatal(err)
			}
			if got, sure, err := Only(t.Context(), c, d, []string{"/configs", "/tmp/cache"}); got != tc.want || err != nil || got && !sure {
				t.Errorf("%s, %s: got %v, sure %v, %v", tc.name, mt, got, sure, err)
			}
			census := &Census{Dirs: []string{"/configs", "/tmp/cache"}, Only: map[Layer]bool{}}
			err = WalkCounting(t.Context(), c, c.Image(false, d), "nothing", census, func(string, int64, io.Reader) error { return nil })
			if got := census.Only[Layer{d.Digest, d.MediaType}]; err == nil && got != tc.want {
				t.Errorf("%s, %s: counted %v, %d", tc.name, mt, got, len(census.Only))
			}
		}
	}
}

// TestOnlyUnknown keeps layers that are not understood, and reports those that lie
// or cannot be read.
func TestOnlyUnknown(t *testing.T) {
	c := ocitest.New(1)
	good, err := c.Files(ocitest.LayerGzip, fileOf("configs/a", tar.TypeReg, ""))
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.Files(ocitest.LayerGzip, fileOf("configs/b", tar.TypeReg, ""))
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{"configs"}
	foreign := good
	foreign.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	for _, d := range []oci.Descriptor{foreign, {MediaType: "application/x", Digest: good.Digest, Size: good.Size}, c.Blob([]byte("no gzip"), ocitest.LayerGzip)} {
		if got, sure, err := Only(t.Context(), c, d, dirs); got || !sure || err != nil {
			t.Errorf("%s: got %v, sure %v, %v", d.MediaType, got, sure, err)
		}
	}
	lies := oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		return c.Open(ctx, other, off)
	})
	var lied *oci.DigestError
	if _, _, err := Only(t.Context(), lies, good, dirs); !errors.As(err, &lied) {
		t.Errorf("other bytes: %v", err)
	}
	gone := errors.New("gone")
	lost := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) { return nil, gone })
	if _, _, err := Only(t.Context(), lost, good, dirs); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestSays(t *testing.T) {
	const text = "cache-enforce-integrity"
	body := func(name, text string) ocitest.File { return ocitest.File{Name: name, Body: []byte(text)} }
	for _, tc := range []struct {
		name        string
		layers      [][]ocitest.File
		says, there bool
	}{
		{"it does", [][]ocitest.File{{body("usr/bin/opm", "x"+text+"y")}, {body("other", "z")}}, true, true},
		{"it does not", [][]ocitest.File{{body("bin/opm", text[1:])}}, false, true},
		{"another does", [][]ocitest.File{{body("bin/opm2", text)}}, false, false},
		{"the upper one counts", [][]ocitest.File{{body("bin/opm", text)}, {body("bin/opm", "older")}}, false, true},
		{"a link", [][]ocitest.File{{body("bin/real", text), fileOf("bin/opm", tar.TypeSymlink, "real")}}, true, true},
		{"a link of a link", [][]ocitest.File{{body("bin/real", text[1:])}, {fileOf("bin/opm", tar.TypeSymlink, "/usr/bin/v1"), fileOf("usr/bin/v1", tar.TypeSymlink, "../../bin/real")}}, false, true},
		{"a link in a circle", [][]ocitest.File{{fileOf("bin/opm", tar.TypeSymlink, "v1"), fileOf("bin/v1", tar.TypeSymlink, "opm")}}, false, false},
		{"a link to nothing", [][]ocitest.File{{fileOf("bin/opm", tar.TypeSymlink, "v1")}}, false, false},
	} {
		c := ocitest.New(1)
		var list []oci.Descriptor
		for _, files := range tc.layers {
			d, err := c.Files(ocitest.LayerGzip, files...)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, d)
		}
		if says, there, err := Says(t.Context(), c, c.Image(true, list...), "opm", text); says != tc.says || there != tc.there || err != nil {
			t.Errorf("%s: got %v, %v, %v", tc.name, says, there, err)
		}
	}
	for n := 64<<10 - len(text) - 1; n <= 64<<10+1; n++ { // wherever a read ends
		in := strings.Repeat("c", n) + text
		if ok, err := has(strings.NewReader(in), text); !ok || err != nil {
			t.Errorf("after %d bytes: %v, %v", n, ok, err)
		}
	}
}

// TestScanDamage spoils a layer in transit: that goes before what its bytes look like,
// and an answer that comes before it shows is not sure.
func TestScanDamage(t *testing.T) {
	c := ocitest.New(1)
	big := bytes.Repeat([]byte("abc123"), 50000)
	d, err := c.Files(ocitest.LayerTar, ocitest.File{Name: "configs/a", Body: big}, ocitest.File{Name: "configs/opm", Body: []byte("text")}, ocitest.File{Name: "etc/x", Body: big})
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int{"first header": 10, "second header": len(big) + 1024, "a name": len(big) + 600, "after the answer": 2*len(big) + 3000} {
		src := &counting{Source: c, spoil: map[digestOf]func(io.Reader) io.Reader{d.Digest: func(r io.Reader) io.Reader { return &flip{r, at} }}}
		only, sure, err := Only(t.Context(), src, d, []string{"configs"})
		var de *oci.DigestError
		if late := name == "after the answer"; only || sure || errors.As(err, &de) == late {
			t.Errorf("%s: only %v, sure %v, %v", name, only, sure, err)
		}
		if _, _, err := Says(t.Context(), src, c.Image(false, d), "opm", "text"); !errors.As(err, &de) {
			t.Errorf("%s: says %v", name, err)
		}
	}
}

// TestCensusForeign counts a foreign layer as [Only] does.
func TestCensusForeign(t *testing.T) {
	c := ocitest.New(1)
	d, err := c.Files(ocitest.LayerGzip, fileOf("configs/a", tar.TypeReg, ""))
	if err != nil {
		t.Fatal(err)
	}
	d.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	census := &Census{Dirs: []string{"configs"}, Only: map[Layer]bool{}}
	if err := WalkCounting(t.Context(), c, c.Image(true, d), "nothing", census, func(string, int64, io.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if only, counted := census.Only[layerOf(d)]; only || !counted {
		t.Errorf("it may be left out: %v, counted %v", only, counted)
	}
}

// TestCensusAround keeps what the highest layer says of the directories around others.
func TestCensusAround(t *testing.T) {
	dir := func(name string, mode int64, uid int) ocitest.File {
		return ocitest.File{Name: name, Header: &tar.Header{Typeflag: tar.TypeDir, Mode: mode, Uid: uid, Gid: 7}}
	}
	c := ocitest.New(1)
	var list []oci.Descriptor
	for _, files := range [][]ocitest.File{
		{dir("tmp/", 0o1777, 0), dir("var/", 0o755, 0), dir("var/cache/", 0o700, 5), dir("etc/", 0o755, 0)},
		{dir("./var//", 0o40775, 1001), dir("var/cache/opm/", 0o777, 0), fileOf("tmp", tar.TypeSymlink, "x")},
		{dir("var/cache/", 0o700, -1), fileOf("etc/x", tar.TypeReg, ""), fileOf(".wh.var", tar.TypeReg, "")},
	} {
		d, err := c.Files(ocitest.LayerGzip, files...)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	census := &Census{Dirs: []string{"/tmp/cache", "var/cache/opm"}, Around: map[string]Parent{}, Only: map[Layer]bool{}}
	if err := WalkCounting(t.Context(), c, c.Image(false, list...), "nothing", census, func(string, int64, io.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range Parents(census.Dirs...) {
		p := census.Around[name]
		got = append(got, fmt.Sprintf("%s %v %d:%d %v", name, p.Mode, p.UID, p.GID, p.Other))
	}
	if want := "tmp ---------- 0:0 true, var -rwxrwxr-x 1001:7 false, var/cache -rwx------ 5:7 false"; strings.Join(got, ", ") != want || len(census.Around) != 3 {
		t.Errorf("got %q", got)
	}
}
