package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	helm "helm.sh/helm/v3/pkg/registry"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// chartFiles is a chart with a Deployment of two containers; images are on the
// host that its values say.
func chartFiles(name, version string) map[string]string {
	return map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: " + name + "\nversion: " + version + "\ndescription: of the tests\n",
		"values.yaml": "registry: ''\n",
		"templates/web.yaml": "kind: Deployment\nmetadata: {name: " + name + "}\nspec: {template: {spec: {\n" +
			"  initContainers: [{name: init, image: '{{ required \"say which registry\" .Values.registry }}/team/init:v1'}],\n" +
			"  containers: [{name: main, image: '{{ .Values.registry }}/team/" + name + ":v1'}]}}}\n",
	}
}

func chartTGZ(t testing.TB, name, version string) []byte {
	t.Helper()
	files := chartFiles(name, version)
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name + "/" + file, Mode: 0o644, Size: int64(len(files[file]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[file])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// chartServer is a chart repository whose index and archives lie behind redirects.
type chartServer struct {
	mu    sync.Mutex
	files map[string][]byte // by path
	asked []string
}

func (s *chartServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path)
	if rest, ok := strings.CutPrefix(r.URL.Path, "/repo/"); ok {
		http.Redirect(w, r, "/real/"+rest, http.StatusFound)
		return
	}
	body, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(body) // the client may go away
}

func (s *chartServer) put(path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = body
}

// chartSet is charts at a repository, in a registry and in a directory, and the
// registry that has their images.
type chartSet struct {
	*chartServer
	c      *ocitest.Content
	source *registrytest.Proxy
	web    []byte        // archive
	layer  digest.Digest // of the image that its chart runs
	stored oci.Descriptor
	want   []mirrored
}

func newChartSet(t *testing.T, w *world) *chartSet {
	s := &chartSet{chartServer: &chartServer{files: map[string][]byte{}}, c: ocitest.New(17), source: registrytest.StartProxy(t, newSource(t))}
	base := s.c.Layer(50<<10, ocitest.LayerGzip)
	for _, name := range []string{"init", "web", "stored", "tree"} {
		own := s.c.Layer(20<<10, ocitest.LayerGzip)
		d := s.c.Image(false, base, own)
		if name == "web" {
			s.layer = own.Digest
		}
		push(t, s.c, d, s.source.Host, "team/"+name, "v1")
		s.want = append(s.want, mirrored{"ns/team/" + name, "v1", d})
	}
	s.web = chartTGZ(t, "web", "1.0.0+b.1")
	s.put("/real/index.yaml", fmt.Appendf(nil, "entries:\n  web:\n  - {name: web, version: 1.0.0+b.1, urls: [web.tgz], digest: %s}\n", oci.Digest(s.web).Encoded()))
	s.stored = s.storedChart(chartTGZ(t, "stored", "2.0.0"))
	push(t, s.c, s.stored, s.source.Host, "charts/stored", "2.0.0")
	s.want = append(s.want, mirrored{"ns/charts/stored", "2.0.0", s.stored})
	for name, body := range chartFiles("tree", "0.1.0") {
		file := filepath.Join(w.dir, "tree", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	config := "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  helm:\n    repositories:\n" +
		"    - {url: " + srv.URL + "/repo, charts: [{name: web, version: '>=1.0.0 <2'}]}\n" +
		"    - {url: 'oci://" + s.source.Host + "/charts', charts: [{name: stored, version: 2.0.0}]}\n" +
		"    local: [{path: tree}]\n"
	values := "registry: " + s.source.Host + "\n"
	if err := errors.Join(os.WriteFile(w.config, []byte(config), 0o600), os.WriteFile(filepath.Join(w.dir, "v.yaml"), []byte(values), 0o600)); err != nil {
		t.Fatal(err)
	}
	return s
}

// storedChart makes the manifest of a chart in a registry.
func (s *chartSet) storedChart(archive []byte) oci.Descriptor {
	config := s.c.Blob([]byte(`{"name":"stored","version":"2.0.0","apiVersion":"v2"}`), helm.ConfigMediaType)
	layer := s.c.Blob(archive, helm.ChartLayerMediaType)
	return s.c.Blob(fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		oci.MediaTypeManifest, config.MediaType, config.Digest, config.Size, layer.MediaType, layer.Digest, layer.Size), oci.MediaTypeManifest)
}

// values are the flags that charts of the set need.
func (s *chartSet) values() []string {
	return []string{"--helm-values", "web=v.yaml", "--helm-values", "stored=v.yaml", "--helm-values", "tree=v.yaml"}
}

// TestCharts carries charts and their images to a mirror, from where Helm pulls
// the charts, byte for byte; first some of it is wrong at their sources.
func TestCharts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, mirror := newChartSet(t, w), newMirror(t)

	s.put("/real/web.tgz", s.web)
	w.run(w.pack()...).want(exitUsage).says("image charts.local/tree:0.1.0: chart tree 0.1.0: execution error at (tree/templates/web.yaml:",
		"say which registry", "hint: give the values that the chart needs (--helm-values tree=FILE)", "--helm-values stored=FILE")
	w.run(w.pack("--helm-values", "web=none.yaml")...).want(exitUsage).says("none.yaml")
	s.put("/real/web.tgz", append(slices.Clone(s.web), 0))
	w.run(w.pack(s.values()...)...).want(exitFailed).says("chart web 1.0.0+b.1", "the bytes received for "+oci.Digest(s.web).String())
	s.mu.Lock()
	delete(s.files, "/real/web.tgz")
	s.mu.Unlock()
	list := w.gaps(w.run(w.pack(append(s.values(), "--keep-going", "--gaps", "gaps.json")...)...))
	if len(list.Images) != 1 || list.Images[0].Image.Path != "charts/web" || !strings.Contains(list.Images[0].Reason(), "404 Not Found") {
		t.Errorf("gaps: %+v", list.Images)
	}
	w.run(w.unpack(mirror + "/ns")...).want(exitOK)

	s.put("/real/web.tgz", s.web)
	w.drive += "-later"
	w.run(w.pack(append(s.values(), "--only", "gaps.json")...)...).want(exitOK)
	w.run(w.unpack(mirror + "/ns")...).want(exitOK)
	compareMirrored(t, s.c, mirror, s.want)
	s.checkPulled(t, mirror)
	for _, path := range s.asked {
		if strings.HasPrefix(path, "/v2") {
			t.Errorf("the chart repository is asked for %s as if it were a registry", path)
		}
	}
	listed := w.run("inspect", "-i", w.key, w.drive).want(exitOK).stdout
	for _, text := range []string{"chart web 1.0.0+b.1: Deployment/web init container init", "/repo/web:1.0.0_b.1"} {
		if all := w.run("inspect", "-i", w.key, "-o", "json", w.drive).stdout; !strings.Contains(all+listed, text) {
			t.Errorf("inspect does not say %q:\n%s", text, all)
		}
	}
}

// checkPulled pulls the charts as users of the mirror do.
func (s *chartSet) checkPulled(t *testing.T, host string) {
	t.Helper()
	client, err := helm.NewClient(helm.ClientOptPlainHTTP(), helm.ClientOptCredentialsFile(filepath.Join(t.TempDir(), "none.json")))
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := client.Pull(host + "/ns/charts/web:1.0.0+b.1")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pulled.Chart.Data, s.web) || pulled.Chart.Meta.Name != "web" {
		t.Errorf("Helm pulls %d bytes of %+v, the repository has %d", len(pulled.Chart.Data), pulled.Chart.Meta, len(s.web))
	}
	pushed, err := client.Push(s.web, host+"/pushed/web:1.0.0+b.1")
	if err != nil || pushed.Config.Digest != pulled.Config.Digest || pushed.Chart.Digest != pulled.Chart.Digest {
		t.Errorf("Helm pushes %+v, %v; the mirror has %+v", pushed, err, pulled)
	}
	if pulled, err = client.Pull(host + "/ns/charts/tree:0.1.0"); err != nil || pulled.Chart.Meta.Version != "0.1.0" {
		t.Errorf("Helm pulls %+v, %v", pulled, err)
	}
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skipf("skopeo is not here: %v", err)
	}
	dir := t.TempDir()
	out, err := proctest.Command(t, "skopeo", "copy", "--src-tls-verify=false", "docker://"+host+"/ns/charts/web:1.0.0_b.1", "dir:"+dir).CombinedOutput()
	if err != nil {
		t.Fatalf("skopeo: %v\n%s", err, out)
	}
	if !bytes.Equal(readFile(t, filepath.Join(dir, oci.Digest(s.web).Encoded())), s.web) {
		t.Error("skopeo copies another archive")
	}
}

// TestChartResumed stops a pack at the images of charts. It resumes with the charts
// that were built, unless they are gone.
func TestChartResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, mirror := newChartSet(t, w), newMirror(t)
	var broken atomic.Bool
	s.source.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if !broken.Load() || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, s.layer.String()) {
			return false
		}
		http.Error(rw, "not now", http.StatusServiceUnavailable)
		return true
	}
	s.put("/real/web.tgz", s.web)
	broken.Store(true)
	pack := w.pack(append(s.values(), "--retry-times", "0", "--retry-delay", "1ms")...)
	w.run(pack...).want(exitRegistry)
	broken.Store(false)
	s.put("/real/index.yaml", []byte("entries: {}\n"))

	made, err := filepath.Glob(filepath.Join(w.dir, "state", "satchel", "bundles", "*", "made"))
	if err != nil || len(made) != 1 {
		t.Fatalf("what was made is in %q, %v", made, err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(w.dir, "cache")), os.Rename(made[0], made[0]+"-away")); err != nil {
		t.Fatal(err)
	}
	w.run(pack...).want(exitFailed).says("is no longer on this host")
	if err := errors.Join(os.RemoveAll(made[0]), os.Rename(made[0]+"-away", made[0])); err != nil {
		t.Fatal(err)
	}
	w.run(pack...).want(exitOK).says("resuming bundle")
	w.run(w.unpack(mirror + "/ns")...).want(exitOK)
	compareMirrored(t, s.c, mirror, s.want)
	s.checkPulled(t, mirror)
}

// TestChartPlan wants the same plan each time, from any cache.
func TestChartPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newChartSet(t, w)
	s.put("/real/web.tgz", s.web)
	args := append([]string{"plan", "-c", w.config, "--tls-verify=false", "-o", "json"}, s.values()...)
	first := w.run(args...).want(exitOK).stdout
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	if again := w.run(args...).want(exitOK).stdout; again != first || !strings.Contains(first, "charts.local/tree:0.1.0") {
		t.Errorf("the plan is another one:\n%s\n%s", first, again)
	}
}

// TestHostileChart plans charts of one line that take all memory, or have no end.
func TestHostileChart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(template string) {
		dir := filepath.Join(w.dir, "hostile")
		for name, body := range map[string]string{"Chart.yaml": "apiVersion: v2\nname: hostile\nversion: 1.2.3\n", "templates/a.yaml": template} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	config := "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror: {helm: {local: [{name: hostile, path: hostile}]}}\n"
	if err := os.WriteFile(w.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	put("{{ range until 2000000000 }}x{{ end }}")
	if r := w.run("plan", "-c", w.config).want(exitUsage); !strings.Contains(r.stderr, "chart hostile 1.2.3: it takes more than 256 MiB of memory") || !strings.Contains(r.stderr, "mirror.additionalImages") {
		t.Errorf("it says %s", r.stderr)
	}

	put("{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}")
	p := w.start("plan", "-c", w.config)
	time.Sleep(time.Second)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if r := p.wait().want(exitInterrupted); r.took > 6*time.Second {
		t.Errorf("interrupted after a second, it ends after %v", r.took)
	}
}
