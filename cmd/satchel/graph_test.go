package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

const ubiMinimal = "registry.access.redhat.com/ubi9/ubi-minimal:latest"

// graphFiles is graph data, by name: what an update service reads.
func graphFiles() map[string]string {
	files := map[string]string{"version": "1.1.0\n", "raw/metadata.json": "{}"}
	for i := range 30 {
		files[fmt.Sprintf("channels/stable-4.%d.yaml", i)] = fmt.Sprintf("name: stable-4.%d\nversions: []\n", i)
		files[fmt.Sprintf("blocked-edges/4.%d.0-%s.yaml", i, strings.Repeat("Long", 30))] = fmt.Sprintf("to: 4.%d.0\n", i)
	}
	return files
}

// graphTGZ packs the data below top, in any order and as of any time.
func graphTGZ(t testing.TB, top string, made time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	archive := graphFiles()
	archive["LICENSE"] = "free" // no update service reads it
	for name, body := range archive {
		if err := w.WriteHeader(&tar.Header{Name: top + name, Mode: 0o640, Uid: 1000, Size: int64(len(body)), ModTime: made}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// dataServer serves graph data as update services do, or otherwise.
type dataServer struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	answer func(w http.ResponseWriter, r *http.Request, n int)
}

func newDataServer(t *testing.T) *dataServer {
	s := &dataServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.String())
		answer, n := s.answer, len(s.asked)
		s.mu.Unlock()
		answer(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s
}

// answers has requests, counted from 1, answered so.
func (s *dataServer) answers(f func(w http.ResponseWriter, r *http.Request, n int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.asked = f, nil
}

func (s *dataServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// serves answers with those bytes.
func serves(b []byte) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(b) } // the client may go away
}

// graphBaseSet publishes a base image for this machine's architecture, with a shell
// and cp, and for another one.
func graphBaseSet(t *testing.T) (o *outside, archs []string) {
	t.Helper()
	o = newOutside(611)
	archs = []string{"amd64", "arm64"}
	var list []oci.Descriptor
	for _, arch := range archs {
		layers := []oci.Descriptor{o.content.Layer(40<<10, ocitest.LayerDocker)}
		if arch == runtime.GOARCH {
			layers = append(layers, shellLayer(t, o.content))
		}
		list = append(list, o.content.ImageFor(arch, true, layers...))
	}
	o.publish(t, ubiMinimal, o.content.IndexFor(true, append(archs, "s390x"), append(list, o.first)...))
	return o, archs
}

// shellLayer has this machine's bash and cp, with what they need.
func shellLayer(t *testing.T, c *ocitest.Content) oci.Descriptor {
	t.Helper()
	var files []ocitest.File
	seen := map[string]bool{}
	add := func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		files = append(files, ocitest.File{Name: strings.TrimPrefix(name, "/"), Body: readFile(t, name), Header: &tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}})
	}
	for _, bin := range []string{"/bin/bash", "/bin/cp"} {
		out, err := proctest.Command(t, "ldd", bin).Output()
		if err != nil {
			t.Skipf("ldd %s: %v", bin, err)
		}
		add(bin)
		for _, word := range strings.Fields(string(out)) {
			if strings.HasPrefix(word, "/") {
				add(word)
			}
		}
	}
	d, err := c.Files(ocitest.LayerDocker, files...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestGraphImage carries the graph image, and runs it inside as an update service does.
func TestGraphImage(t *testing.T) {
	t.Parallel()
	o, archs := graphBaseSet(t)
	s := newDataServer(t)
	conf := o.conf(t, o.serve(t))
	w := newWorld(t)
	w.imageset("  platform:\n    graph: true\n    architectures: [amd64, arm64]\n")
	s.answers(func(rw http.ResponseWriter, r *http.Request, n int) {
		switch {
		case n == 1:
			http.Error(rw, "later", http.StatusInternalServerError)
		case r.URL.Path == "/api/upgrades_info/graph-data":
			http.Redirect(rw, r, "/moved", http.StatusFound)
		default:
			time.Sleep(500 * time.Millisecond)
			_, _ = rw.Write(graphTGZ(t, "", time.Unix(1700000000, 0)))
		}
	})
	args := w.pack("--registries-conf", conf, "--retry-delay", "10ms")
	w.withGraph(s.URL+"/api/upgrades_info/v1/graph?key=mine", args...).want(exitOK)
	if got := s.requests(); !slices.Equal(got, []string{"/api/upgrades_info/graph-data?key=mine", "/api/upgrades_info/graph-data?key=mine", "/moved"}) {
		t.Errorf("the server was asked for %q", got)
	}
	w.withGraph(s.URL+"/api/upgrades_info/v1/graph?key=mine", args...).want(exitOK).says("nothing has changed since")
	w.run("verify", w.drive).want(exitOK)
	images := w.inspected().Images
	if len(images) != 1 || images[0].Source.String() != "graph-data.local/openshift/graph-image:latest" || !slices.Equal(images[0].Platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Fatalf("the bundle has %+v", images)
	}
	mirror := newMirror(t)
	out := filepath.Join(w.dir, "out")
	w.run(w.unpackSite(mirror+"/ocp", out)...).want(exitOK)
	page := string(readFile(t, filepath.Join(out, "APPLY.md")))
	if _, err := os.Stat(filepath.Join(out, "updateservice.yaml")); err == nil || !strings.Contains(page, "No UpdateService is written: "+mirror+" speaks plain HTTP") {
		t.Errorf("the update service cannot read a mirror without TLS (%v):\n%s", err, page)
	}
	checkGraphImage(t, o, mirror, archs)
	t.Run("run", func(t *testing.T) { runGraphImage(t, w, mirror) })

	graphAgain(t, o, s, conf, images[0].Digest)
}

// graphAgain makes the image of the same data in other archives: it is the same.
func graphAgain(t *testing.T, o *outside, s *dataServer, conf string, want digest.Digest) {
	for name, more := range map[string]func(t *testing.T, w *world) []string{
		"another archive": func(t *testing.T, _ *world) []string {
			s.answers(serves(graphTGZ(t, "graph-data-master/", time.Unix(1800000000, 0))))
			return []string{"--graph-data", s.URL + "/any.tgz"}
		},
		"a file": func(t *testing.T, w *world) []string {
			s.answers(serves([]byte("never asked")))
			if err := os.WriteFile(filepath.Join(w.dir, "graph.tgz"), graphTGZ(t, "./", time.Unix(9, 0)), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"--graph-data", "graph.tgz", "--graph-base", strings.Replace(ubiMinimal, ":latest", "@"+o.images[ubiMinimal].Digest.String(), 1)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := newWorld(t)
			other.imageset("  platform:\n    graph: true\n    architectures: [arm64, amd64]\n")
			flags := append(more(t, other), "--registries-conf", conf)
			planned, _ := other.plan(exitOK, flags...)
			other.run(other.pack(flags...)...).want(exitOK)
			have := other.inspected()
			if have.Images[0].Digest != want {
				t.Errorf("it is %s, not %s", have.Images[0].Digest, want)
			}
			if c := planned.Carried; c.Bytes != have.BlobBytes || c.Manifests+c.Blobs != have.Blobs {
				t.Errorf("plan carries %+v; the bundle has %d blobs of %d bytes", c, have.Blobs, have.BlobBytes)
			}
		})
	}
}

// TestGraphImageErrors has servers, data and base images that are wrong: nothing is
// written then.
func TestGraphImageErrors(t *testing.T) {
	t.Parallel()
	o, _ := graphBaseSet(t)
	o.publish(t, "registry.access.redhat.com/ubi9/only:arm", o.content.ImageFor("arm64", false, o.base...))
	s := newDataServer(t)
	conf := o.conf(t, o.serve(t))
	good := graphTGZ(t, "", time.Unix(1, 0))
	status := func(code int) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, _ *http.Request, _ int) { http.Error(w, "no", code) }
	}
	const hintData, hintBase = "hint: name another address of graph data, or a file that has it (--graph-data URL|FILE)", "hint: name another image to build the graph image from; it must have bash and cp (--graph-base IMAGE)"
	const graph = "satchel: image graph-data.local/openshift/graph-image:latest: "
	tests := []struct {
		name, more, url string
		answer          func(http.ResponseWriter, *http.Request, int)
		flags           []string
		code            int
		says            []string
	}{
		{"refused", "", "", status(403), nil, exitRegistry, []string{graph + "read the graph data: get " + s.URL + "/graph-data: the server answers 403 Forbidden", hintData}},
		{"always unavailable", "", "", status(500), nil, exitRegistry, []string{"the server answers 500", hintData}},
		{"in circles", "", "", func(w http.ResponseWriter, r *http.Request, _ int) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, nil, exitRegistry, []string{"redirects", hintData}},
		{"broken off", "", "", func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			_, _ = w.Write(good[:len(good)/2])
		}, nil, exitRegistry, []string{"get " + s.URL + "/graph-data", hintData}},
		{"a page", "", "", serves([]byte("<html>log in\x1b[2J</html>")), nil, exitUsage, []string{graph + "read the graph data of " + s.URL + "/graph-data: graph data: it is not a gzip archive; it begins with \"<html>log in\\x1b[2J</html>\"", hintData}},
		{"cut short", "", "", serves(good[:len(good)-10]), nil, exitUsage, []string{"the archive is cut short", hintData}},
		{"too large", "", "", func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = io.CopyN(w, zeroReader{}, 65<<20) }, nil, exitFailed, []string{"it has more than 67108864 bytes", hintData}},
		{"no graph data", "", "", serves(chartTGZ(t, "web", "1.0.0")), nil, exitUsage, []string{"it has no file version at the top", hintData}},
		{"no platform", "    architectures: [amd64, ppc64le]\n", "", serves(good), nil, exitUsage, []string{graph + "base image " + ubiMinimal, "it is not for linux/ppc64le; it is for linux/amd64, linux/arm64, linux/s390x", hintBase}},
		{"no base", "", "", serves(good), []string{"--graph-base", "registry.access.redhat.com/ubi9/none:1"}, exitRegistry, []string{"registry.access.redhat.com/ubi9/none:1", hintBase}},
		{"a base for another platform", "", "", serves(good), []string{"--graph-base", "registry.access.redhat.com/ubi9/only:arm"}, exitUsage, []string{"it is not for linux/amd64; it is for linux/arm64", hintBase}},
		{"a graph server of another form", "", "/mine", serves(good), nil, exitUsage, []string{"imageset.yaml:5:5: mirror.platform.graph: UPDATE_URL_OVERRIDE", "hint: name the address of the graph data, or a file that has it (--graph-data URL|FILE)"}},
		{"no such file", "", "", serves(good), []string{"--graph-data", "none.tgz"}, exitUsage, []string{`--graph-data`, "none.tgz"}},
		{"no image", "", "", serves(good), []string{"--graph-base", "ubi9"}, exitUsage, []string{`--graph-base`, "no registry host"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s.answers(tc.answer)
			w := newWorld(t)
			w.imageset("  platform:\n    graph: true\n" + tc.more)
			if tc.url == "" {
				tc.url = "/graph"
			}
			args := w.pack(append(tc.flags, "--registries-conf", conf, "--retry-delay", "10ms", "--retry-times", "1")...)
			w.withGraph(s.URL+tc.url, args...).want(tc.code).says(tc.says...)
			if files, err := os.ReadDir(w.drive); err == nil && len(files) > 0 {
				t.Errorf("the drive was written: %v", files)
			}
		})
	}
}

// zeroReader has no end.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestGraphImageGap goes without the graph image, and carries it later.
func TestGraphImageGap(t *testing.T) {
	t.Parallel()
	o, _ := graphBaseSet(t)
	s := newDataServer(t)
	o.publish(t, "quay.io/team/one:v1", o.small(3000))
	conf := o.conf(t, o.serve(t))
	w := newWorld(t)
	w.imageset("  platform:\n    graph: true\n  additionalImages: [{name: 'quay.io/team/one:v1'}]\n")
	s.answers(func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = io.CopyN(w, zeroReader{}, 65<<20) })
	flags := []string{"--registries-conf", conf, "--graph-data", s.URL + "/x"}
	list := w.gaps(w.run(w.pack(append(flags, "--keep-going", "--gaps", "gaps.json")...)...).says("gap: image graph-data.local/openshift/graph-image:latest", "--graph-data "+s.URL+"/x"))
	if len(list.Images) != 1 || len(list.Incomplete) != 0 || !slices.Equal(oci.Words(list.Images[0].Image.Reasons), []string{"platform.graph"}) {
		t.Errorf("gaps %+v", list)
	}
	s.answers(serves(graphTGZ(t, "", time.Unix(1, 0))))
	w.drive = filepath.Join(w.dir, "later")
	w.run(w.pack(append(flags, "--only", "gaps.json")...)...).want(exitOK)
	if images := w.inspected().Images; len(images) != 1 || images[0].Source.Registry != "graph-data.local" {
		t.Errorf("later came %+v", images)
	}
}

// TestGraphImageAlone: what a release lacks is carried later without the graph image.
func TestGraphImageAlone(t *testing.T) {
	t.Parallel()
	o, _ := graphBaseSet(t)
	s := newDataServer(t)
	s.answers(serves(graphTGZ(t, "", time.Unix(1, 0))))
	release := o.smallRelease(t, 2, 2<<10)
	delete(o.images, release.source)
	host := o.serve(t)
	flags := []string{"--registries-conf", o.conf(t, host), "--graph-data", s.URL + "/x", "--ignore-release-signature"}
	w := newWorld(t)
	w.imageset(releaseConfig(release) + "    graph: true\n")
	w.gaps(w.run(w.pack(append(flags, "--keep-going", "--gaps", "gaps.json")...)...))
	if images := w.inspected().Images; len(images) != 1 {
		t.Errorf("the bundle has %+v", images)
	}
	ref, err := oci.ParseRef(release.source)
	if err != nil {
		t.Fatal(err)
	}
	push(t, o.content, release.payload, host, repoOf(ref), ref.Tag)
	w.drive = filepath.Join(w.dir, "later")
	w.run(w.pack(append(flags, "--only", "gaps.json")...)...).want(exitOK)
	for _, img := range w.inspected().Images {
		if img.Source.Registry == "graph-data.local" {
			t.Error("the graph image came again")
		}
	}
}

// TestGraphImageResume: what was built is stored; resuming takes only the base's layers,
// even if the server answers differently by then.
func TestGraphImageResume(t *testing.T) {
	t.Parallel()
	o, _ := graphBaseSet(t)
	s := newDataServer(t)
	s.answers(serves(graphTGZ(t, "", time.Unix(1, 0))))
	proxy := registrytest.StartProxy(t, o.serve(t))
	k := &tap{kind: "GET blob", rate: 4 << 20}
	k.through(proxy)
	w := newWorld(t)
	w.imageset("  platform:\n    graph: true\n    architectures: [" + runtime.GOARCH + "]\n")
	args := w.pack("--registries-conf", o.conf(t, proxy.Host), "--graph-data", s.URL+"/x")
	if r, ended := w.killed(k, 1<<20, 0, 0, args...); ended {
		t.Fatalf("it ended: %s", r.stderr)
	}
	s.answers(serves([]byte("something else")))
	w.run(args...).want(exitOK).says("resuming bundle")
	if asked := s.requests(); len(asked) > 0 {
		t.Errorf("the server was asked for %q", asked)
	}
	w.run("verify", w.drive).want(exitOK)
}
