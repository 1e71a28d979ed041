// Package layouttest has the content of a bundle read by containers/image, which
// podman, skopeo and CRI-O read with. It has no code but this test.
package layouttest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// pack makes a sealed bundle of all kinds of images and gives its directory and key file.
func pack(t *testing.T, c *ocitest.Content, inv *oci.Inventory) (dir, key string) {
	t.Helper()
	secret, recipient, err := bundle.GenerateKey(false)
	if err != nil {
		t.Fatal(err)
	}
	dir, key = t.TempDir(), filepath.Join(t.TempDir(), "key.txt")
	to, err := bundle.ParseRecipients([]string{recipient}, nil, nil)
	if err = errors.Join(err, os.WriteFile(key, []byte(secret+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	job := bundle.Job{Config: oci.Digest(nil), Recipients: to, SegmentSize: bundle.MinSegmentSize, Lanes: 2}
	w, err := bundle.Create(dir, t.TempDir(), job, inv)
	if err != nil {
		t.Fatal(err)
	}
	for _, manifests := range []bool{false, true} {
		for _, d := range c.All() {
			if oci.IsManifest(d.MediaType) == manifests {
				if err := w.Put(t.Context(), d, c); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	_, err = w.Seal(t.Context(), inv)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, key
}

// extract opens the bundle with age, zstd and tar.
func extract(t *testing.T, dir, key string) string {
	t.Helper()
	for _, program := range []string{"bash", "age", "zstd", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	out := t.TempDir()
	cmd := proctest.Command(t, "bash", "-c", `set -eo pipefail
age -d -i "$1" key-1.age > "$2.key"
for f in s-*.age; do age -d -i "$2.key" "$f"; done | zstd -d | tar -x -C "$2"
rm "$2.key"`, "bash", key, out)
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return out
}

// TestContainersImageReadsTheLayout takes every kind of image out of the layout
// by its name: manifests and all their blobs.
func TestContainersImageReadsTheLayout(t *testing.T) {
	c, inv := ocitest.New(7), &oci.Inventory{}
	for name, root := range c.Kinds() {
		for _, suffix := range []string{":v1", ":v1@" + root.Digest.String(), "@" + root.Digest.String()} {
			ref, err := oci.ParseRef("registry.example:5000/made-up/" + name + suffix)
			if err != nil {
				t.Fatal(err)
			}
			inv.Images = append(inv.Images, oci.Image{Origin: "additional", Source: ref, Root: root})
		}
	}
	inv.Sort()
	dir, key := pack(t, c, inv)
	out := extract(t, dir, key)
	for _, img := range inv.Images {
		t.Run(img.Source.String(), func(t *testing.T) { readImage(t, out, img) })
	}
}

func readImage(t *testing.T, out string, img oci.Image) {
	ref, err := layout.ParseReference(out + ":" + img.Source.String())
	if err != nil {
		t.Fatal(err)
	}
	src, err := ref.NewImageSource(t.Context(), &types.SystemContext{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}()
	body, mediaType, err := src.GetManifest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if oci.Digest(body) != img.Root.Digest || mediaType != img.Root.MediaType {
		t.Errorf("the manifest is %s, %q", oci.Digest(body), mediaType)
	}
	if n := readGraph(t, src, body); n == 0 {
		t.Error("no blob was read")
	}
}

// readGraph reads what a manifest names, and gives the number of blobs.
func readGraph(t *testing.T, src types.ImageSource, body []byte) (n int) {
	t.Helper()
	var m struct {
		Config    *oci.Descriptor  `json:"config"`
		Layers    []oci.Descriptor `json:"layers"`
		Manifests []oci.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		child, _, err := src.GetManifest(t.Context(), &d.Digest)
		if err != nil || oci.Digest(child) != d.Digest {
			t.Fatalf("manifest %s: %v", d.Digest, err)
		}
		n += readGraph(t, src, child)
	}
	if m.Config == nil {
		return n
	}
	for _, d := range append(m.Layers, *m.Config) {
		rc, size, err := src.GetBlob(t.Context(), types.BlobInfo{Digest: d.Digest, Size: d.Size}, none.NoCache)
		if err != nil {
			t.Fatalf("blob %s: %v", d.Digest, err)
		}
		v := oci.NewVerifier(d)
		_, err = io.Copy(v, rc)
		if err = errors.Join(err, v.Close(), rc.Close()); err != nil || size != d.Size {
			t.Errorf("blob %s of %d bytes: %v", d.Digest, size, err)
		}
		n++
	}
	return n
}
