package ocitest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// startDockerRegistry runs the distribution's docker-registry on a free port and returns
// its base URL.
func startDockerRegistry(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		bin, err = exec.LookPath("registry") // its name on Fedora
	}
	if err != nil {
		t.Skip("docker-registry is not installed")
	}
	dir := t.TempDir()
	conf := fmt.Sprintf("version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: \"127.0.0.1:0\"}\n", filepath.Join(dir, "data"))
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if _, rest, ok := strings.Cut(lines.Text(), "listening on "); ok {
				addr <- strings.Fields(strings.Trim(rest, `"`))[0]
				break
			}
		}
		_ = lines.Err() // without the line, the test ends after a while
		_, _ = io.Copy(io.Discard, log)
	}()
	select {
	case a := <-addr:
		return "http://" + strings.Trim(a, `",`)
	case <-time.After(20 * time.Second):
		t.Fatal("docker-registry does not say where it listens")
		return ""
	}
}

func pushKinds(t *testing.T, url string) (*Content, map[string]oci.Descriptor) {
	t.Helper()
	c := New(20)
	kinds := c.Kinds()
	for name, root := range kinds {
		if err := Push(t.Context(), c, root, url, "made/"+name, "v1"); err != nil {
			t.Fatal(err)
		}
		if err := Compare(t.Context(), c, root, url, "made/"+name, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	return c, kinds
}

func TestPushToDockerRegistry(t *testing.T) {
	url := startDockerRegistry(t)
	c, kinds := pushKinds(t, url)
	// A second push finds everything there.
	if err := Push(t.Context(), c, kinds["index"], url, "made/index", "v1"); err != nil {
		t.Error(err)
	}
	checkCompareFinds(t, c, kinds, url)
}

func TestPushToOlareg(t *testing.T) {
	reg := olareg.New(config.Config{Storage: config.ConfigStorage{StoreType: config.StoreMem}})
	srv := httptest.NewServer(reg)
	defer srv.Close()
	c, kinds := pushKinds(t, srv.URL)
	checkCompareFinds(t, c, kinds, srv.URL)
	if err := reg.Close(); err != nil {
		t.Error(err)
	}
}

// checkCompareFinds wants Compare to notice a missing image, another image
// under the tag, and blobs that are not there.
func checkCompareFinds(t *testing.T, c *Content, kinds map[string]oci.Descriptor, url string) {
	t.Helper()
	if err := Compare(t.Context(), c, kinds["oci"], url, "made/oci", "v2"); err == nil {
		t.Error("a tag that is not there compares equal")
	}
	if err := Compare(t.Context(), c, kinds["oci"], url, "made/docker", "v1"); err == nil {
		t.Error("another image compares equal")
	}
	err := Compare(t.Context(), c, kinds["many"], url, "made/none", "v1")
	if n := strings.Count(fmt.Sprint(err), ": 404 Not Found"); n != 43 {
		t.Errorf("%d things named as missing, want config, 40 layers, manifest and tag", n)
	}
}

func TestCompareFindsWrongBytes(t *testing.T) {
	c := New(21)
	root := c.Image(false, c.Layer(10<<10, LayerGzip))
	reg := olareg.New(config.Config{Storage: config.ConfigStorage{StoreType: config.StoreMem}})
	var lie func(w http.ResponseWriter, r *http.Request) bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lie == nil || !lie(w, r) {
			reg.ServeHTTP(w, r)
		}
	}))
	defer srv.Close()
	if err := Push(t.Context(), c, root, srv.URL, "one", "v1"); err != nil {
		t.Fatal(err)
	}
	layer := c.All()[0]
	lie = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, layer.Digest.String()) {
			return false
		}
		body := open(t, c, layer, 0)
		body[5000] ^= 1
		_, _ = w.Write(body)
		return true
	}
	var wrong *oci.DigestError
	if err := Compare(t.Context(), c, root, srv.URL, "one", "v1"); !errors.As(err, &wrong) || wrong.Want.Digest != layer.Digest {
		t.Errorf("a flipped bit: %v", err)
	}
	lie = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/manifests/v1") {
			return false
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(open(t, c, root, 0))
		return true
	}
	if err := Compare(t.Context(), c, root, srv.URL, "one", "v1"); err == nil || !strings.Contains(err.Error(), "text/plain") {
		t.Errorf("another media type: %v", err)
	}
}

func TestPushFails(t *testing.T) {
	c := New(22)
	root := c.Image(false, c.Layer(10<<10, LayerGzip))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "closed on Sundays", http.StatusForbidden)
	}))
	defer srv.Close()
	err := Push(t.Context(), c, root, srv.URL, "one", "v1")
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a registry that refuses: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Push(ctx, c, root, srv.URL, "one", "v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPodmanPulls(t *testing.T) {
	for _, bin := range []string{"podman", "skopeo"} {
		if _, err := exec.LookPath(bin); err != nil {
			t.Skip(bin + " is not installed")
		}
	}
	url := startDockerRegistry(t)
	pushKinds(t, url)
	dir, err := os.MkdirTemp("", "podman") // podman takes no runroot of more than 50 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	podman := func(args ...string) {
		t.Helper()
		base := []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
		if out, err := proctest.Command(t, "podman", append(base, args...)...).CombinedOutput(); err != nil {
			t.Errorf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	host := strings.TrimPrefix(url, "http://")
	for _, name := range []string{"docker", "docker-list", "oci", "oci-zstd", "index", "many"} {
		podman("pull", "-q", "--tls-verify=false", host+"/made/"+name+":v1")
	}
	for _, name := range []string{"nested", "artifact"} {
		if out, err := proctest.Command(t, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+host+"/made/"+name+":v1").CombinedOutput(); err != nil {
			t.Errorf("skopeo inspect %s: %v\n%s", name, err, out)
		}
	}
}
