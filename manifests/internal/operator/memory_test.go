package operator

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/base64"
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

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

const (
	filteredChild    = "SATCHEL_TEST_FILTERED"
	filteredPackages = 4
	filteredBundles  = 60 // of each package, of about 290 kB each
)

// diskImages stores what is built and read in files, as the command does.
type diskImages struct {
	dir  string
	src  oci.Source
	root oci.Descriptor
}

func (d diskImages) Resolve(context.Context, oci.Ref) (oci.Descriptor, oci.Source, error) {
	return d.root, d.src, nil
}

func (d diskImages) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return d.PutFrom(mediaType, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}

func (d diskImages) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	f, err := os.CreateTemp(d.dir, "")
	if err != nil {
		return oci.Descriptor{}, err
	}
	h := digest.SHA256.Digester()
	err = fill(io.MultiWriter(f, h.Hash()))
	info, serr := f.Stat()
	if err := errors.Join(err, serr, f.Close()); err != nil {
		return oci.Descriptor{}, err
	}
	return oci.Descriptor{MediaType: mediaType, Digest: h.Digest(), Size: info.Size()}, nil
}

func (d diskImages) Derived(_ context.Context, _ string, fill func(io.Writer) error) (io.ReadCloser, error) {
	f, err := os.CreateTemp(d.dir, "")
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriter(f)
	err = errors.Join(fill(w), w.Flush())
	_, serr := f.Seek(0, io.SeekStart)
	return f, errors.Join(err, serr)
}

func (diskImages) Fetch(context.Context, string, int64) ([]byte, error) { return nil, io.EOF }
func (diskImages) Note(text string)                                     { fmt.Println(text) }

// largePackage writes a package whose bundles have manifests in them, each replaces
// the last in one channel, and every second is in another.
func largePackage(w io.Writer, pkg string) error {
	bw := bufio.NewWriter(w)
	doc := func(format string, args ...any) { _, _ = fmt.Fprintf(bw, format, args...) } // Flush has its error
	object := base64.StdEncoding.EncodeToString([]byte(`{"kind":"ClusterServiceVersion","spec":"` + strings.Repeat("abc", 70<<10) + `"}`))
	doc(`{"schema":"olm.package","name":%q,"defaultChannel":"a"}`+"\n", pkg)
	for _, ch := range []struct {
		name string
		step int
	}{{"a", 1}, {"b", 2}} {
		doc(`{"schema":"olm.channel","package":%q,"name":%q,"entries":[{"name":"%s.v0.0.0"}`, pkg, ch.name, pkg)
		for i := ch.step; i < filteredBundles; i += ch.step {
			doc(`,{"name":"%s.v0.%d.0","replaces":"%s.v0.%d.0"}`, pkg, i, pkg, i-ch.step)
		}
		doc("]}\n")
	}
	for i := range filteredBundles {
		doc(`{"schema":"olm.bundle","package":%q,"name":"%s.v0.%d.0","image":"example.com/%s:%d","properties":[{"type":"olm.package","value":{"packageName":%q,"version":"0.%d.0"}},{"type":"olm.bundle.object","value":{"data":%q}}]}`+"\n",
			pkg, pkg, i, pkg, i, pkg, i, object)
	}
	return bw.Flush()
}

// largeLayer is a plain tar of the packages.
func largeLayer(w io.Writer) error {
	tw := tar.NewWriter(w)
	var n byteCount
	if err := largePackage(&n, "p0"); err != nil { // each has as many bytes
		return err
	}
	for i := range filteredPackages {
		pkg := fmt.Sprint("p", i)
		if err := tw.WriteHeader(&tar.Header{Name: "configs/" + pkg + "/catalog.json", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(n)}); err != nil {
			return err
		}
		if err := largePackage(tw, pkg); err != nil {
			return err
		}
	}
	return tw.Close()
}

type byteCount int64

func (c *byteCount) Write(p []byte) (int, error) { *c += byteCount(len(p)); return len(p), nil }

// TestFilteredMemory filters a large catalog, of which everything is chosen, in a
// process of its own, whose memory then counts.
func TestFilteredMemory(t *testing.T) {
	if os.Getenv(filteredChild) != "" {
		filterLarge(t)
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
	cmd := proctest.Command(t, os.Args[0], "-test.run=^TestFilteredMemory$", "-test.v")
	cmd.Env = append(os.Environ(), filteredChild+"=1")
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

func filterLarge(t *testing.T) {
	debug.SetMemoryLimit(200 << 20) // as the command does
	hash, n := digest.SHA256.Digester(), byteCount(0)
	if err := largeLayer(io.MultiWriter(hash.Hash(), &n)); err != nil {
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
	m := ispec.Manifest{MediaType: oci.MediaTypeManifest, Layers: []ispec.Descriptor{layer}}
	m.SchemaVersion = 2
	m.Config = put(ispec.MediaTypeImageConfig, ispec.Image{Config: ocitest.CatalogRun(), Platform: ispec.Platform{OS: "linux", Architecture: "amd64"},
		RootFS: ispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}})
	src := oci.SourceFunc(func(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		if body, ok := stored[d.Digest]; ok {
			return io.NopCloser(strings.NewReader(string(body[off:]))), nil
		}
		r, w := io.Pipe()
		go func() { w.CloseWithError(largeLayer(w)) }()
		return r, nil
	})
	from := diskImages{t.TempDir(), src, put(oci.MediaTypeManifest, m)}
	var packages []string
	for i := range filteredPackages {
		packages = append(packages, fmt.Sprintf("{name: p%d}", i))
	}
	began := time.Now()
	some, err := Catalogs(t.Context(), asktest.ParseOperators(t, "  - {catalog: 'a.example/c:v1', full: true, packages: ["+strings.Join(packages, ", ")+"]}\n"), from)
	if err != nil || some.Images[0].Built.Digest == "" || len(some.Images) != 1+filteredPackages*filteredBundles {
		t.Fatalf("%d images, %v", len(some.Images), err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Printf("%d MiB in %.0f s, peak KiB: %s\n", layer.Size>>20, time.Since(began).Seconds(), strings.Fields(rest)[0])
}
