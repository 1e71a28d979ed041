package layers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// evil are entries of archives that have led programs out of a directory: by their names, by the
// links before them, by what they are.
func evil() map[string][]tar.Header {
	file := func(name string) tar.Header { return tar.Header{Name: name, Size: 4, Mode: 0o644} }
	link := func(kind byte, name, to string) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Linkname: to}
	}
	return map[string][]tar.Header{
		"dots":                      {file("c/../../x"), file("../c/x"), file("c/..")},
		"dots within":               {file("c/a/../../../x"), file("c/./a/../x")},
		"an absolute path":          {file("/etc/passwd"), file("/c/x"), file("//c//x")},
		"a symbolic link out":       {link(tar.TypeSymlink, "c/out", "/etc"), file("c/out/passwd")},
		"a symbolic link up":        {link(tar.TypeSymlink, "c/up", "../.."), file("c/up/x")},
		"a link after its target":   {file("c/d/x"), link(tar.TypeSymlink, "c/d", "/tmp")},
		"links in a chain":          {link(tar.TypeSymlink, "c/1", "2"), link(tar.TypeSymlink, "c/2", "../../../.."), file("c/1/x")},
		"links in a circle":         {link(tar.TypeSymlink, "c/1", "2"), link(tar.TypeSymlink, "c/2", "1"), file("c/1/x")},
		"a link to itself":          {link(tar.TypeSymlink, "c/1", "1"), file("c/1/x")},
		"a hard link out":           {link(tar.TypeLink, "c/x", "../../etc/passwd")},
		"a hard link, absolute":     {link(tar.TypeLink, "c/x", "/etc/passwd"), file("c/x")},
		"a hard link to a link":     {link(tar.TypeSymlink, "c/1", "/etc/passwd"), link(tar.TypeLink, "c/2", "c/1")},
		"the root as a link":        {link(tar.TypeSymlink, "c", "/etc"), file("c/passwd")},
		"a device":                  {{Typeflag: tar.TypeChar, Name: "c/null", Devmajor: 1, Devminor: 3}, {Typeflag: tar.TypeBlock, Name: "c/sda", Devmajor: 8}},
		"a pipe":                    {{Typeflag: tar.TypeFifo, Name: "c/pipe"}},
		"names of Windows":          {file("c/CON"), file("c/aux.txt"), file("c/NUL"), file("c/COM1")},
		"a colon":                   {file("c/a:b"), file("C:/x"), file("C:x")},
		"dots and spaces at ends":   {file("c/a. . ."), file("c/b "), file("c/..."), file("c/.. /x")},
		"backslashes":               {file(`c\..\..\x`), file(`..\x`), file(`c/..\..\x`)},
		"setuid":                    {{Name: "c/su", Size: 4, Mode: 0o6755}},
		"a name that ends early":    {file("c/a\x00/../../x")},
		"an empty name":             {file("."), file("./"), file("c/")},
		"an archive in the archive": {file("c/inner.tar"), file("c/inner.tar/../../x")},
	}
}

// evilLayer is a layer with these entries, each of 4 bytes if it is a file.
func evilLayer(t testing.TB, list []tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range list {
		if strings.HasSuffix(h.Name, "/") {
			h.Size = 0 // it becomes a directory
		}
		err := w.WriteHeader(&h)
		if err == nil && h.Size > 0 {
			_, err = io.WriteString(w, "evil")
		}
		if err != nil && !strings.Contains(h.Name, "\x00") { // which no writer takes
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil && !errors.Is(err, tar.ErrHeader) {
		t.Fatal(err)
	}
	return out.Bytes()
}

// stays reads files of a layer, and holds what is visited against where it must be.
func stays(t testing.TB, body []byte) {
	t.Helper()
	c := ocitest.New(1)
	image := c.Image(false, c.Blob(body, ocitest.LayerTar))
	_ = Walk(context.Background(), c, image, "c", func(name string, size int64, r io.Reader) error {
		if !fs.ValidPath(name) || !filepath.IsLocal(name) || name != "c" && !strings.HasPrefix(name, "c/") {
			t.Errorf("%q is visited", name)
		}
		n, err := io.Copy(io.Discard, r)
		if err == nil && n != size {
			t.Errorf("%q has %d bytes, said to have %d", name, n, size)
		}
		return err
	})
}

// TestTraversal has layers whose entries lead out of their directory: all that is read of them is a
// stream of names below it, and nothing is written to this host.
func TestTraversal(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // where a link that is not resolved would be looked for
	if err := os.WriteFile("sentinel", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, list := range evil() {
		t.Run(name, func(t *testing.T) {
			stays(t, evilLayer(t, list))
			if found, err := os.ReadDir(dir); err != nil || len(found) != 1 {
				t.Errorf("the directory has %v, %v", found, err)
			}
		})
	}
	if body, err := os.ReadFile("sentinel"); string(body) != "mine" || err != nil {
		t.Errorf("the sentinel has %q, %v", body, err)
	}
	// The same names as titles of a document of a bundle.
	for name, list := range evil() {
		for _, h := range list {
			m := &oci.Memory{}
			root, err := m.Artifact("a/b", []oci.ArtifactFile{{Title: h.Name, MediaType: "text/plain", Body: []byte("evil")}})
			if err != nil {
				continue
			}
			files, err := oci.ReadArtifact(t.Context(), m, root, "a/b")
			if err == nil && !filepath.IsLocal(files[0].Title) {
				t.Errorf("%s: %q is the title of a file", name, files[0].Title)
			}
		}
	}
}

// FuzzWalk reads layers of any bytes.
func FuzzWalk(f *testing.F) {
	for _, list := range evil() {
		f.Add(evilLayer(f, list))
	}
	f.Fuzz(func(t *testing.T, body []byte) { stays(t, body) })
}
