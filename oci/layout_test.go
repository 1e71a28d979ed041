package oci_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// layoutOf writes a layout of one image with two layers.
func layoutOf(t *testing.T) (dir string, c *ocitest.Content, root oci.Descriptor, layer oci.Descriptor) {
	t.Helper()
	c = ocitest.New(5)
	layer = c.Layer(10<<10, ocitest.LayerGzip)
	root = c.Image(false, layer, c.Layer(100, ocitest.LayerGzip))
	dir = filepath.Join(t.TempDir(), "layout")
	if err := c.WriteLayout(dir, root); err != nil {
		t.Fatal(err)
	}
	return dir, c, root, layer
}

func named(name string, d oci.Descriptor) oci.Descriptor {
	d.Annotations = map[string]string{ispec.AnnotationRefName: name}
	return d
}

func blobFile(dir string, d oci.Descriptor) string {
	return filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded())
}

func writeFile(t *testing.T, name, body string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLayout(t *testing.T) {
	dir, c, root, layer := layoutOf(t)
	l, err := oci.OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if d, err := l.Image(""); err != nil || d.Digest != root.Digest || d.Size != root.Size || d.MediaType != root.MediaType {
		t.Errorf("image %+v, %v", d, err)
	}
	seen := 0
	err = oci.Walk(t.Context(), l, root, func(d oci.Descriptor, _ []byte) error {
		seen++
		ok, err := l.Has(t.Context(), d)
		if !ok {
			t.Errorf("%s is not there", d.Digest)
		}
		return err
	})
	if err != nil || seen != 4 {
		t.Errorf("%d of 4 seen: %v", seen, err)
	}
	for _, off := range []int64{0, 4000, layer.Size} {
		var got, want []byte
		for src, to := range map[oci.Source]*[]byte{l: &got, c: &want} {
			r, err := src.Open(t.Context(), layer, off)
			if err != nil {
				t.Fatal(err)
			}
			if *to, err = io.ReadAll(r); errors.Join(err, r.Close()) != nil {
				t.Fatal(err)
			}
		}
		if string(got) != string(want) {
			t.Errorf("from %d on there are %d bytes, not %d, or others", off, len(got), len(want))
		}
	}
}

// TestLayoutImage chooses among the entries of index.json.
func TestLayoutImage(t *testing.T) {
	c := ocitest.New(6)
	one, two := c.Image(false), c.Index(false, c.Image(true))
	sig := c.Artifact("application/vnd.example.cosign")
	tests := []struct {
		name    string
		entries []oci.Descriptor
		ask     string
		want    oci.Descriptor
		why     string
	}{
		{"one", []oci.Descriptor{one}, "", one, ""},
		{"an index with a name", []oci.Descriptor{named("v4.18", two)}, "", two, ""},
		{"a signature beside", []oci.Descriptor{one, named("sha256-"+one.Digest.Encoded()+".sig", sig)}, "", one, ""},
		{"a referrers index beside", []oci.Descriptor{named("latest", one), named("sha256-"+one.Digest.Encoded(), two)}, "", one, ""},
		{"latest of two", []oci.Descriptor{named("v1", one), named("latest", two)}, "", two, ""},
		{"the same twice", []oci.Descriptor{named("v1", one), named("v2", one)}, "", one, ""},
		{"by name", []oci.Descriptor{named("v1", one), named("latest", two)}, "v1", one, ""},
		{"none", nil, "", one, "it lists no image"},
		{"none of the name", []oci.Descriptor{named("v1", one)}, "v2", one, `it lists no image named "v2"`},
		{"two names", []oci.Descriptor{named("v1", one), named("v2\x1b", two)}, "", one, `it lists 2 images: "v1", "v2\x1b"`},
		{"latest, and one without a name", []oci.Descriptor{one, named("latest", two)}, "", one, "one without a name, "},
		{"two of a name", []oci.Descriptor{named("v1", one), named("v1", two)}, "v1", one, `it lists 2 images named "v1"`},
		{"no image", []oci.Descriptor{c.Blob([]byte("x"), "text/\x1bplain")}, "", one, `it lists a "text/\x1bplain", which is no image`},
		{"another digest", []oci.Descriptor{{MediaType: oci.MediaTypeManifest, Digest: "sha512:ab", Size: 1}}, "", one, "is not a valid digest"},
		{"a size below zero", []oci.Descriptor{{MediaType: oci.MediaTypeManifest, Digest: one.Digest, Size: -1}}, "", one, "a size of -1 bytes"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
			body, err := json.Marshal(ispec.Index{Manifests: tc.entries})
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "index.json"), string(body))
			l, err := oci.OpenLayout(dir)
			if err != nil {
				t.Fatal(err)
			}
			got, err := l.Image(tc.ask)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			var fault *oci.LayoutError
			switch {
			case tc.why == "" && (err != nil || got.Digest != tc.want.Digest || got.Annotations != nil):
				t.Errorf("got %+v, %v", got, err)
			case tc.why != "" && (!errors.As(err, &fault) || fault.File != "index.json" || fault.Dir != dir || !strings.Contains(fault.Why, tc.why)):
				t.Errorf("got %+v, %v; want %s", got, err, tc.why)
			}
		})
	}
}

// TestLayoutDamage has layouts that are not what they must be.
func TestLayoutDamage(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	writeFile(t, outside, `{"imageLayoutVersion":"1.0.0"}`)
	type layout struct {
		t     *testing.T
		dir   string
		layer oci.Descriptor
	}
	remove := func(l layout, name string) {
		if err := os.Remove(name); err != nil {
			l.t.Fatal(err)
		}
	}
	link := func(l layout, to, name string) {
		remove(l, name)
		if err := os.Symlink(to, name); err != nil {
			l.t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		damage func(l layout)
		why    string
	}{
		{"no version", func(l layout) { remove(l, filepath.Join(l.dir, "oci-layout")) }, "oci-layout in DIR: it is missing"},
		{"another version", func(l layout) { writeFile(l.t, filepath.Join(l.dir, "oci-layout"), `{"imageLayoutVersion":"9"}`) }, `the layout is of version "9", not 1.0.0`},
		{"no JSON", func(l layout) { writeFile(l.t, filepath.Join(l.dir, "oci-layout"), "x") }, "it is not valid JSON"},
		{"the version elsewhere", func(l layout) { link(l, outside, filepath.Join(l.dir, "oci-layout")) }, "oci-layout in DIR: a link leads out of the directory"},
		{"no index", func(l layout) { remove(l, filepath.Join(l.dir, "index.json")) }, "index.json in DIR: it is missing"},
		{"a huge index", func(l layout) {
			writeFile(l.t, filepath.Join(l.dir, "index.json"), strings.Repeat(" ", oci.MaxManifestSize+1))
		}, "it has more than 4194304 bytes"},
		{"a pipe", func(l layout) {
			remove(l, filepath.Join(l.dir, "index.json"))
			if err := syscall.Mkfifo(filepath.Join(l.dir, "index.json"), 0o600); err != nil {
				l.t.Fatal(err)
			}
		}, "index.json in DIR: it is not a regular file"},
		{"no blob", func(l layout) { remove(l, blobFile(l.dir, l.layer)) }, "BLOB in DIR: it is missing"},
		{"a blob cut off", func(l layout) { writeFile(l.t, blobFile(l.dir, l.layer), "short") }, "BLOB in DIR: it has 5 bytes, not"},
		{"a blob elsewhere", func(l layout) { link(l, outside, blobFile(l.dir, l.layer)) }, "BLOB in DIR: a link leads out of the directory"},
		{"a blob above", func(l layout) { link(l, "../../../../outside", blobFile(l.dir, l.layer)) }, "BLOB in DIR: a link leads out of the directory"},
		{"a directory", func(l layout) {
			remove(l, blobFile(l.dir, l.layer))
			if err := os.Mkdir(blobFile(l.dir, l.layer), 0o700); err != nil {
				l.t.Fatal(err)
			}
		}, "BLOB in DIR: it is not a regular file"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir, _, _, layer := layoutOf(t)
			tc.damage(layout{t, dir, layer})
			var has, open error
			l, err := oci.OpenLayout(dir)
			if err == nil {
				_, err = l.Image("")
				_, has = l.Has(t.Context(), layer)
				var r io.ReadCloser
				if r, open = l.Open(t.Context(), layer, 0); open == nil {
					open = r.Close()
				}
				if text(has) != text(open) {
					t.Errorf("Has says %v, Open %v", has, open)
				}
				if cerr := l.Close(); cerr != nil {
					t.Error(cerr)
				}
			}
			err = errors.Join(err, has)
			var fault *oci.LayoutError
			if want := strings.NewReplacer("DIR", dir, "BLOB", "blobs/sha256/"+layer.Digest.Encoded()).Replace(tc.why); !errors.As(err, &fault) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	if _, err := oci.OpenLayout(outside + "-not"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// TestLayoutLink follows links that stay within.
func TestLayoutLink(t *testing.T) {
	dir, _, _, layer := layoutOf(t)
	name := blobFile(dir, layer)
	if err := os.Rename(name, filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../elsewhere", name); err != nil {
		t.Fatal(err)
	}
	l, err := oci.OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oci.ReadBlob(t.Context(), l, layer, layer.Size); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestRealLayouts reads the layouts of other projects.
func TestRealLayouts(t *testing.T) {
	const dir = "../../shared/data/oci/layouts"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the files of other projects are not here: %v", err)
	}
	for _, tc := range []struct {
		name, ask string
		content   int // what it reaches
		why       string
	}{
		{"multi-platform-container-latest", "", 13, ""}, {"oci-image", "", 3, ""}, {"graph-staging", "", 0, ""},
		{"regclient-testrepo", "", 0, "it lists 19 images: "}, {"regclient-testrepo", "v1", 0, ""},
		{"zarf-crane-oci-layout", "", 0, "images: one without a name, "},
	} {
		l, err := oci.OpenLayout(filepath.Join(dir, tc.name))
		if err != nil {
			t.Fatal(err)
		}
		root, err := l.Image(tc.ask)
		n := 0
		if err == nil {
			err = oci.Walk(t.Context(), l, root, func(d oci.Descriptor, _ []byte) error {
				n++
				_, err := l.Has(t.Context(), d)
				return err
			})
		}
		if tc.why == "" && (err != nil || tc.content != 0 && n != tc.content) || tc.why != "" && !strings.Contains(text(err), tc.why) {
			t.Errorf("%s: %d, %v", tc.name, n, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
