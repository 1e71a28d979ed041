package catalog

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// childMark tells the test binary that it is to read the catalog and print its memory.
const childMark = "SATCHEL_TEST_LARGE_CATALOG"

// largeFile is a file of a made-up catalog that is written as often as it is read.
type largeFile struct {
	name  string
	size  int64
	write func(w io.Writer) error
}

// largeLayer is a layer that is never stored: a plain tar of large files.
func largeLayer(w io.Writer, files []largeFile) error {
	tw := tar.NewWriter(w)
	for _, f := range files {
		if err := tw.WriteHeader(&tar.Header{Name: "configs/" + f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: f.size, ModTime: time.Unix(1767225600, 0)}); err != nil {
			return err
		}
		if err := f.write(tw); err != nil {
			return err
		}
	}
	return tw.Close()
}

// count is a writer that knows how much it was given.
type count int64

func (c *count) Write(p []byte) (int, error) { *c += count(len(p)); return len(p), nil }

func sized(t *testing.T, name string, write func(io.Writer) error) largeFile {
	t.Helper()
	var n count
	if err := write(&n); err != nil {
		t.Fatal(err)
	}
	return largeFile{name, int64(n), write}
}

// bundles writes documents for n bundles of a package, in a channel each replaces
// the last: 300 kB each in properties, with 20 related images.
func bundles(pkg, format string, n int) func(io.Writer) error {
	object := strings.Repeat("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo", 290<<10/35)
	return func(w io.Writer) error {
		bw := bufio.NewWriter(w)
		doc := func(format string, args ...any) { _, _ = fmt.Fprintf(bw, format, args...) } // Flush has its error
		doc(map[string]string{"json": `{"schema":"olm.package","name":%q}`, "yaml": "---\nschema: olm.package\nname: %s\n"}[format], pkg)
		for i := range n {
			if format == "json" {
				doc(`{"schema":"olm.bundle","package":%q,"name":"%s.v0.%d.0","image":"example.com/%s:%d","properties":[{"type":"olm.package","value":{"packageName":%q,"version":"0.%d.0"}},{"type":"olm.bundle.object","value":{"data":"`,
					pkg, pkg, i, pkg, i, pkg, i)
				_, _ = bw.WriteString(object)
				doc(`"}}],"relatedImages":[{"name":"","image":""}`)
			} else {
				doc("---\nschema: olm.bundle\npackage: %s\nname: %s.v0.%d.0\nimage: example.com/%s:%d\nproperties:\n- type: olm.package\n  value: {packageName: %s, version: 0.%d.0}\n- type: olm.bundle.object\n  value:\n    data: ",
					pkg, pkg, i, pkg, i, pkg, i)
				_, _ = bw.WriteString(object)
				doc("\nrelatedImages:\n")
			}
			for k := range 20 {
				doc(map[string]string{"json": `,{"name":"r","image":"example.com/%s/%d/%d@sha256:%064d"}`, "yaml": "- name: r\n  image: example.com/%s/%d/%d@sha256:%064d\n"}[format], pkg, i, k, i)
			}
			if format == "json" {
				doc("]}\n")
			}
		}
		return bw.Flush()
	}
}

// part is a document that is as large, or as dense, as it may be.
type part struct {
	start, middle, end string
	times              int
}

var (
	worstJSON = []part{
		{`{"schema":"x","y":"`, "abcdefgh", `"}`, (maxDocument - 64) / 8},
		{`{"schema":"x","y":[`, `{"a":0},`, `0]}`, maxMarks/3 - 8},
	}
	worstYAML = []part{
		{"---\nschema: x\ny: ", "abcdefgh", "\n", (maxDocument - 64) / 8},
		{"---\nschema: x\ny:\n", "- {a: b}\n", "", maxMarks/5 - 8},
		{"---\nschema: x\ny: [", "1,", "1]\n", maxMarks - 8},
	}
)

func worst(parts []part) func(w io.Writer) error {
	return func(w io.Writer) error {
		bw := bufio.NewWriter(w)
		for _, p := range parts {
			_, _ = bw.WriteString(p.start) // Flush has its error
			for range p.times {
				_, _ = bw.WriteString(p.middle)
			}
			_, _ = bw.WriteString(p.end)
		}
		return bw.Flush()
	}
}

// largeImage is an image with that layer.
func largeImage(t *testing.T) (oci.Source, oci.Descriptor) {
	t.Helper()
	files := []largeFile{
		sized(t, "big/catalog.json", bundles("big", "json", 1000)),
		sized(t, "worst.json", worst(worstJSON)),
		sized(t, "worst.yaml", worst(worstYAML)),
		sized(t, "yaml/catalog.yaml", bundles("yaml", "yaml", inYAML())),
	}
	hash, n := digest.SHA256.Digester(), count(0)
	if err := largeLayer(io.MultiWriter(hash.Hash(), &n), files); err != nil {
		t.Fatal(err)
	}
	layer := oci.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: hash.Digest(), Size: int64(n)}
	stored := map[digest.Digest][]byte{}
	put := func(mediaType string, v any) oci.Descriptor {
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}
		stored[d.Digest] = body
		return d
	}
	config := put(ispec.MediaTypeImageConfig, ispec.Image{Config: ispec.ImageConfig{Labels: map[string]string{labelConfigs: "/configs"}}})
	m := ispec.Manifest{MediaType: oci.MediaTypeManifest, Config: config, Layers: []ispec.Descriptor{layer}}
	m.SchemaVersion = 2
	root := put(oci.MediaTypeManifest, m)
	return oci.SourceFunc(func(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if body, ok := stored[d.Digest]; ok {
			return io.NopCloser(strings.NewReader(string(body[off:]))), nil
		}
		r, w := io.Pipe()
		go func() { w.CloseWithError(largeLayer(w, files)) }()
		return r, nil
	}), root
}

// inYAML is how many bundles the catalog has in YAML, which takes longest to read.
func inYAML() int {
	if os.Getenv("SATCHEL_SOAK") != "" {
		return 700
	}
	return 100
}

// TestMemory reads a catalog of more than 300 MiB (500 with SATCHEL_SOAK=1), with the largest
// documents that are read in it, in a process of its own, whose memory then counts.
func TestMemory(t *testing.T) {
	if os.Getenv(childMark) != "" {
		readLarge(t)
		return
	}
	if testing.Short() {
		t.Skip("reads a large catalog")
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector takes more memory than what it watches")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux says how much memory a process had")
	}
	cmd := proctest.Command(t, os.Args[0], "-test.run=^TestMemory$", "-test.v")
	cmd.Env = append(os.Environ(), childMark+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), "peak KiB: ")
	peak, err := strconv.Atoi(strings.Fields(rest + " none")[0])
	if err != nil {
		t.Fatalf("no memory in %s", out)
	}
	if t.Logf("peak %d MiB", peak>>10); peak > 256<<10 {
		t.Errorf("it took %d MiB, more than 256", peak>>10)
	}
}

func readLarge(t *testing.T) {
	debug.SetMemoryLimit(200 << 20) // as the command does
	src, root := largeImage(t)
	lines, err := os.Create(t.TempDir() + "/lines")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(t.Context(), what, src, root, "/configs", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Write(lines), c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got := ""
	if err := Read(lines, func(p *Package, docs *Documents) error {
		cfg, err := docs.Config()
		if err == nil {
			got += fmt.Sprint(p.Name, len(cfg.Bundles), " ")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("0 big1000 yaml%d ", inYAML()); got != want {
		t.Errorf("got %s", got)
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Printf("peak KiB: %s\n", strings.Fields(rest)[0])
}
