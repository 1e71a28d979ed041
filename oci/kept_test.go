package oci_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// nothing is a source that has nothing.
func nothing(_ context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, error) {
	return nil, fs.ErrNotExist
}

// TestKeepFrom keeps content that is read at once and content that is streamed,
// reads it from several offsets, and gives neither once it is damaged.
func TestKeepFrom(t *testing.T) {
	ctx := context.Background()
	for _, size := range []int{0, 1000, 5 << 20} {
		dir := t.TempDir()
		c := oci.NewCache(dir)
		body := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		d, err := c.KeepFrom("text/plain", func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		})
		if err != nil || d.Digest != oci.Digest(body) || d.Size != int64(size) || !c.Has(d) {
			t.Fatalf("kept %d bytes as %v, %v", size, d, err)
		}
		src := c.Before(oci.SourceFunc(nothing))
		for _, off := range []int{0, size / 2, size} {
			rc, err := src.Open(ctx, d, int64(off))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(rc)
			if err := errors.Join(err, rc.Close()); err != nil || !bytes.Equal(got, body[off:]) {
				t.Errorf("%d bytes from %d: %d bytes, %v", size, off, len(got), err)
			}
		}
		if size == 0 {
			continue
		}
		file := filepath.Join(dir, "sha256", d.Digest.Encoded())
		body[size-1] ^= 1
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := src.Open(ctx, d, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("damaged content of %d bytes: %v", size, err)
		}
	}
}

// TestKeepFromFails leaves nothing behind.
func TestKeepFromFails(t *testing.T) {
	dir := t.TempDir()
	bad := errors.New("no more")
	_, err := oci.NewCache(dir).KeepFrom("text/plain", func(w io.Writer) error {
		_, err := w.Write([]byte("begun"))
		return errors.Join(err, bad)
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "sha256"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestTake keeps what another cache has, and takes it again where it was damaged.
func TestTake(t *testing.T) {
	dir := t.TempDir()
	from, to := oci.NewCache(filepath.Join(dir, "from")), oci.NewCache(filepath.Join(dir, "to"))
	body := bytes.Repeat([]byte("abc"), 3<<20)
	d, err := from.KeepFrom("text/plain", func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "to", "sha256", d.Digest.Encoded())
	damages := [][]byte{[]byte("cut"), append([]byte("x"), body[1:]...)} // by size, and by content alone
	for _, damage := range append(damages, nil) {
		if err := to.Take(t.Context(), from, d); err != nil {
			t.Fatal(err)
		}
		got, err := oci.ReadBlob(t.Context(), to.Before(oci.SourceFunc(nothing)), d, d.Size)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("took %d bytes, %v", len(got), err)
		}
		if err := errors.Join(os.Remove(file), os.WriteFile(file, damage, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Take(t.Context(), oci.NewCache(filepath.Join(dir, "empty")), d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("taken from nowhere: %v", err)
	}
}

// TestWalkImage passes over what an image leaves out, and what only that reaches.
func TestWalkImage(t *testing.T) {
	content := ocitest.New(1)
	layer := func() oci.Descriptor { return content.Layer(1000, ispec.MediaTypeImageLayerGzip) }
	a, b := content.Image(false, layer()), content.Image(false, layer())
	root := content.Index(false, a, b)
	img := oci.Image{Origin: oci.OriginAdditional, Source: oci.Ref{Registry: "example.com", Repository: "x", Tag: "1"}, Root: root}
	walk := func(img oci.Image) (list []digest.Digest) {
		err := oci.WalkImage(context.Background(), content, img, func(d oci.Descriptor, _ []byte) error {
			list = append(list, d.Digest)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	whole := walk(img)
	img.Without = []digest.Digest{b.Digest}
	some := walk(img)
	if err := img.Validate(); err != nil {
		t.Error(err)
	}
	if len(some) >= len(whole) || slices.Contains(some, b.Digest) || !slices.Contains(some, a.Digest) || some[len(some)-1] != root.Digest {
		t.Errorf("whole %v, without %s %v", whole, b.Digest, some)
	}
	// Neither a layer nor what nothing names can be left out.
	body, err := oci.ReadManifest(t.Context(), content, a)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := oci.Children(a, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []digest.Digest{parts[0].Digest, parts[1].Digest, oci.Digest([]byte("nothing"))} {
		img.Without = []digest.Digest{b.Digest, d}
		slices.Sort(img.Without)
		for name, walk := range map[string]func(context.Context, oci.Source, oci.Image, func(oci.Descriptor, []byte) error) error{"image": oci.WalkImage, "indexes": oci.WalkIndexes} {
			seen := false
			err := walk(t.Context(), content, img, func(v oci.Descriptor, _ []byte) error {
				seen = seen || v.Digest == d
				return nil
			})
			var fault *oci.UnsupportedError
			if !errors.As(err, &fault) || !strings.Contains(fault.Why, d.String()) || name == "image" && d == parts[1].Digest && !seen {
				t.Errorf("walk of %s without %s: seen %v, %v", name, d, seen, err)
			}
		}
	}
}

// TestImageRefused are bases and gaps of platforms that no bundle may have.
func TestImageRefused(t *testing.T) {
	d := func(s string) digest.Digest { return oci.Digest([]byte(s)) }
	ref := oci.Ref{Registry: "example.com", Repository: "x", Tag: "1"}
	good := func() oci.Image {
		return oci.Image{Origin: oci.OriginCatalog, Source: ref, Root: oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: d("root"), Size: 4}}
	}
	for name, change := range map[string]func(*oci.Image){
		"a base of what was not made": func(i *oci.Image) { i.Base = ref.WithDigest(d("base")) },
		"a base by tag":               func(i *oci.Image) { i.Made, i.Base = true, ref },
		"a base that is no reference": func(i *oci.Image) { i.Made, i.Base = true, oci.Ref{Registry: "e", Digest: d("base")} },
		"its root left out":           func(i *oci.Image) { i.Without = []digest.Digest{i.Root.Digest} },
		"one left out twice":          func(i *oci.Image) { i.Without = []digest.Digest{d("a"), d("a")} },
		"another kind of digest":      func(i *oci.Image) { i.Without = []digest.Digest{"md5:0123"} },
		"parts of what is no index": func(i *oci.Image) {
			i.Root.MediaType, i.Without = oci.MediaTypeManifest, []digest.Digest{d("a")}
		},
	} {
		img := good()
		if err := img.Validate(); err != nil {
			t.Fatal(err)
		}
		if change(&img); img.Validate() == nil {
			t.Errorf("%s was taken", name)
		}
	}
	made := good()
	made.Made, made.Base = true, ref.WithDigest(d("base"))
	if err := made.Validate(); err != nil {
		t.Error(err)
	}
}
