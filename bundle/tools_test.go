package bundle

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/readmetest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// ageFor gives the directory of the age program that a reader would have:
// Debian's for X25519 keys, the module's own for post-quantum ones.
func ageFor(t *testing.T, postQuantum bool) string {
	t.Helper()
	if !postQuantum {
		return filepath.Dir(need(t, "age"))
	}
	dir := t.TempDir()
	cmd := proctest.Within(t, proctest.Build, "go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "age"), "filippo.io/age/cmd/age")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build age: %v\n%s", err, out)
	}
	return dir
}

// readmeLines gives the commands of README.txt that open the bundle, with its
// words replaced.
func readmeLines(t *testing.T, f *fixture, out string) string {
	t.Helper()
	groups := readmetest.Groups(string(files(t, f.drive)[seal.ReadmeName]))
	script := strings.Join(groups[readmetest.Find(t, groups, `cd "DIR"`):readmetest.Find(t, groups, "skopeo")], "")
	for _, tool := range []string{"sha256sum --quiet -c", "age -d", "zstd -d", "tar -x"} {
		if !strings.Contains(script, tool) {
			t.Fatalf("README.txt has no line with %q:\n%s", tool, script)
		}
	}
	return readmetest.Fill(script, map[string]string{"DIR": f.drive, "KEY": f.keyFile, "OUT": out})
}

// openByTools runs README.txt's lines in the bundle's directory.
func openByTools(t *testing.T, f *fixture, age, out string) ([]byte, error) {
	t.Helper()
	need(t, "zstd")
	cmd := proctest.Command(t, need(t, "bash"), "-ec", readmeLines(t, f, out))
	cmd.Env = append(os.Environ(), "PATH="+age+":"+os.Getenv("PATH"), "LC_ALL=C")
	return cmd.CombinedOutput()
}

// checkLayout holds an OCI image layout against the fixture's content.
func checkLayout(t *testing.T, f *fixture, dir string) {
	t.Helper()
	all := files(t, dir)
	var version ispec.ImageLayout
	if err := json.Unmarshal(all[ispec.ImageLayoutFile], &version); err != nil || version.Version != "1.0.0" {
		t.Errorf("oci-layout is %q, %v", all[ispec.ImageLayoutFile], err)
	}
	var list ispec.Index
	if err := json.Unmarshal(all[ispec.ImageIndexFile], &list); err != nil {
		t.Fatal(err)
	}
	names := map[string]oci.Descriptor{}
	for _, d := range list.Manifests {
		names[d.Annotations[ispec.AnnotationRefName]] = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	}
	want := map[string]oci.Descriptor{}
	for _, img := range f.inv.Images {
		want[img.Source.String()] = img.Root
	}
	if len(names) != len(list.Manifests) || !maps.EqualFunc(names, want, func(a, b oci.Descriptor) bool {
		return a.MediaType == b.MediaType && a.Digest == b.Digest && a.Size == b.Size
	}) {
		t.Errorf("index.json names %v, want %v", names, want)
	}
	wanted := map[string]bool{ispec.ImageLayoutFile: true, ispec.ImageIndexFile: true}
	for _, n := range slices.Concat(f.graph.Blobs, f.graph.Manifests) {
		name := "blobs/sha256/" + n.Descriptor.Digest.Encoded()
		wanted[name] = true
		if body, ok := all[name]; !ok || oci.Digest(body) != n.Descriptor.Digest {
			t.Errorf("%s: there %v, with the digest %s", name, ok, oci.Digest(body))
		}
	}
	for name := range all {
		if !wanted[name] {
			t.Errorf("%s belongs to no image", name)
		}
	}
}

func TestStandardToolsOpenABundle(t *testing.T) {
	for name, pq := range map[string]bool{"X25519": false, "post-quantum": true} {
		t.Run(name, func(t *testing.T) {
			age := ageFor(t, pq)
			f := newFixture(t, MinSegmentSize, pq)
			f.add(t, "big", f.content.Image(false, f.content.Layer(9<<20, ocitest.LayerGzip)))
			f.pack(t)
			before, out := files(t, f.drive), t.TempDir()
			if printed, err := openByTools(t, f, age, out); err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			checkLayout(t, f, filepath.Join(out, "layout"))
			same(t, f.drive, before)
			if _, err := os.Stat(filepath.Join(out, "bundle.key")); err == nil {
				t.Error("the lines leave the bundle key behind")
			}

			segments := segmentFiles(t, f.drive)
			if err := os.Remove(filepath.Join(f.drive, segments[len(segments)-1])); err != nil {
				t.Fatal(err)
			}
			if printed, err := openByTools(t, f, age, t.TempDir()); err == nil {
				t.Errorf("a bundle without its last segment opens:\n%s", printed)
			}
		})
	}
}

// TestSkopeoReadsTheLayout has Debian's skopeo take every OCI kind out of the
// extracted layout by the name that index.json gives it.
func TestSkopeoReadsTheLayout(t *testing.T) {
	skopeo := need(t, "skopeo")
	f := newFixture(t, DefaultSegmentSize, false)
	f.pack(t)
	out := t.TempDir()
	if printed, err := openByTools(t, f, ageFor(t, false), out); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	for _, img := range f.inv.Images {
		if img.Root.MediaType != oci.MediaTypeManifest && img.Root.MediaType != oci.MediaTypeIndex {
			continue // this skopeo skips descriptors of Docker's media types
		}
		from := "oci:" + filepath.Join(out, "layout") + ":" + img.Source.String()
		raw := run(t, ".", skopeo, "inspect", "--raw", from)
		if oci.Digest([]byte(raw)) != img.Root.Digest {
			t.Errorf("%s: skopeo gives another manifest", img.Source)
		}
		if img.Source.Repository == "made-up/nested" {
			continue // skopeo copies no index within an index
		}
		to := t.TempDir()
		run(t, ".", skopeo, "copy", "--all", "--preserve-digests", "--insecure-policy", from, "dir:"+to)
		if body := files(t, to)["manifest.json"]; oci.Digest(body) != img.Root.Digest {
			t.Errorf("%s: skopeo copies another manifest:\n%s", img.Source, body)
		}
	}
}

// TestSkopeoReadsASparseLayout has skopeo take the platform that is carried out of
// an index that stands as it was.
func TestSkopeoReadsASparseLayout(t *testing.T) {
	skopeo := need(t, "skopeo")
	f := newSmall(t, false)
	arm := f.content.ImageFor("arm64", false, f.content.Layer(50<<10, ocitest.LayerGzip))
	lacks := f.content.Image(false, f.content.Layer(50<<10, ocitest.LayerGzip))
	root := f.content.IndexFor(false, []string{"amd64", "arm64"}, lacks, arm)
	f.add(t, "sparse", root)
	for i := range f.inv.Images {
		if img := &f.inv.Images[i]; img.Root.Digest == root.Digest {
			img.Omitted = []digest.Digest{lacks.Digest}
		}
	}
	f.survey(t)
	f.pack(t)
	out := t.TempDir()
	if printed, err := openByTools(t, f, ageFor(t, false), out); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	checkLayout(t, f, filepath.Join(out, "layout"))
	if _, err := os.Stat(filepath.Join(out, "layout", "blobs", "sha256", lacks.Digest.Encoded())); err == nil {
		t.Error("what is left out is in the layout")
	}
	from := "oci:" + filepath.Join(out, "layout") + ":registry.example:5000/made-up/sparse:v1"
	if raw := run(t, ".", skopeo, "inspect", "--raw", from); oci.Digest([]byte(raw)) != root.Digest {
		t.Error("skopeo gives another index")
	}
	to := t.TempDir()
	run(t, ".", skopeo, "--override-arch", "arm64", "--override-os", "linux", "copy", "--insecure-policy", from, "dir:"+to)
	if body := files(t, to)["manifest.json"]; oci.Digest(body) != arm.Digest {
		t.Errorf("skopeo copies another manifest:\n%s", body)
	}
}
