package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// checkedGet reads what a registry has, by digest or tag.
func checkedGet(t *testing.T, url, accept string, want *oci.Descriptor) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, resp.Status, err)
	}
	if want != nil && (oci.Digest(body) != want.Digest || int64(len(body)) != want.Size) {
		t.Fatalf("GET %s: %d bytes of %s", url, len(body), oci.Digest(body))
	}
	return body
}

func fetchedJSON(t *testing.T, url, accept string, want *oci.Descriptor, to any) {
	t.Helper()
	if err := json.Unmarshal(checkedGet(t, url, accept, want), to); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// checkGraphImage holds the image in the mirror against its base and the data, entry
// by entry.
func checkGraphImage(t *testing.T, o *outside, host string, archs []string) {
	t.Helper()
	repo := "http://" + host + "/v2/ocp/openshift/graph-image/"
	var index, base ispec.Index
	fetchedJSON(t, repo+"manifests/latest", oci.MediaTypeDockerList, nil, &index)
	baseRoot := o.images[ubiMinimal]
	readJSON(t, o.content, baseRoot, &base)
	if len(index.Manifests) != len(archs) {
		t.Fatalf("it is for %d platforms", len(index.Manifests))
	}
	for i, arch := range archs {
		d := index.Manifests[i]
		if d.Platform == nil || d.Platform.Architecture != arch || d.Platform.OS != "linux" {
			t.Errorf("platform %+v, want %s", d.Platform, arch)
		}
		var m, below ispec.Manifest
		var config, was ispec.Image
		fetchedJSON(t, repo+"manifests/"+d.Digest.String(), d.MediaType, &d, &m)
		fetchedJSON(t, repo+"blobs/"+m.Config.Digest.String(), "*/*", &m.Config, &config)
		readJSON(t, o.content, base.Manifests[i], &below)
		readJSON(t, o.content, below.Config, &was)
		n := len(below.Layers)
		if len(m.Layers) != n+1 || !slices.EqualFunc(m.Layers[:n], below.Layers, func(a, b oci.Descriptor) bool { return a.Digest == b.Digest }) {
			t.Errorf("%s: layers %v, below %v", arch, m.Layers, below.Layers)
		}
		for _, l := range m.Layers[:n] {
			checkedGet(t, repo+"blobs/"+l.Digest.String(), "*/*", &l)
		}
		layer := checkedGet(t, repo+"blobs/"+m.Layers[n].Digest.String(), "*/*", &m.Layers[n])
		checkGraphLayer(t, layer)
		run := config.Config
		if want := []string{"/bin/bash", "-c", "exec cp -rp /var/lib/cincinnati-graph-data/* /var/lib/cincinnati/graph-data"}; !slices.Equal(run.Cmd, want) || run.Entrypoint != nil || run.User != was.Config.User {
			t.Errorf("%s runs %q %q as %q", arch, run.Entrypoint, run.Cmd, run.User)
		}
		if config.Architecture != arch || !slices.Equal(config.RootFS.DiffIDs[:n], was.RootFS.DiffIDs) ||
			run.Labels["io.github.satchel-airgap.graph-data"] != config.RootFS.DiffIDs[n].String() || run.Labels["org.opencontainers.image.base.digest"] != baseRoot.Digest.String() {
			t.Errorf("%s: config %+v", arch, config)
		}
	}
}

func readJSON(t *testing.T, c *ocitest.Content, d oci.Descriptor, to any) {
	t.Helper()
	body, err := oci.ReadBlob(t.Context(), c, d, 1<<20)
	if err == nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkGraphLayer wants the data and its directories, sorted, root's, without times.
func checkGraphLayer(t *testing.T, layer []byte) {
	t.Helper()
	const top = "var/lib/cincinnati-graph-data"
	want := []string{"var/ 5 755", "var/lib/ 5 755", top + "/ 5 755", top + "/.wh..wh..opq 0 644 "}
	var rest []string
	for name, body := range graphFiles() {
		rest = append(rest, top+"/"+name+" 0 644 "+body)
	}
	for _, dir := range []string{"blocked-edges", "channels", "raw"} {
		rest = append(rest, top+"/"+dir+"/ 5 755")
	}
	slices.Sort(rest)
	gz, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %c %o", h.Name, h.Typeflag, h.Mode)
		if h.Typeflag == tar.TypeReg {
			line += " " + string(body)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname+h.Gname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s is of %d:%d %q, %s", h.Name, h.Uid, h.Gid, h.Uname+h.Gname, h.ModTime)
		}
		list = append(list, line)
	}
	if want = append(want, rest...); !slices.Equal(list, want) {
		t.Errorf("the layer has %q, want %q", list, want)
	}
}

// runGraphImage has podman unpack the image, and runs what it says on a root that
// cannot be written, as a user that nobody knows: as the init container does.
func runGraphImage(t *testing.T, w *world, host string) {
	wants(t, "podman", "unshare", "chroot")
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
	dir, err := os.MkdirTemp("", "graph") // podman takes no runroot of more than 50 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	podman := func(args ...string) string {
		t.Helper()
		cmd := proctest.Command(t, "podman", append([]string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "XDG_RUNTIME_DIR=" + dir}
		var output bytes.Buffer
		cmd.Stderr = &output
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("podman %q: %v\n%s", args, err, &output)
		}
		return strings.TrimSpace(string(out))
	}
	ref := host + "/ocp/openshift/graph-image:latest"
	podman("pull", "-q", "--tls-verify=false", ref)
	var config []struct{ Config ispec.ImageConfig }
	if err := json.Unmarshal([]byte(podman("image", "inspect", ref)), &config); err != nil || len(config) != 1 {
		t.Fatalf("podman image inspect: %v", err)
	}
	root, volume := podman("image", "mount", ref), filepath.Join(dir, "volume")
	defer podman("image", "umount", ref)
	mounted := filepath.Join(root, "var/lib/cincinnati/graph-data")
	if err := errors.Join(os.MkdirAll(mounted, 0o755), os.Mkdir(volume, 0o700), os.Chown(volume, 1000650000, 0)); err != nil {
		t.Fatal(err)
	}
	const script = `mount --bind "$1" "$1" && mount --bind "$2" "$3" && mount -o remount,bind,ro "$1" && root=$1 && shift 3 && exec chroot --userspec=1000650000:0 "$root" "$@"`
	args := slices.Concat([]string{"-m", "sh", "-c", script, "sh", root, volume, mounted}, config[0].Config.Entrypoint, config[0].Config.Cmd)
	if out, err := proctest.Command(t, "unshare", args...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", config[0].Config.Cmd, err, out)
	}
	have := map[string]string{}
	if err := filepath.WalkDir(volume, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(volume, path)
		have[name] = string(readFile(t, path))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := graphFiles(); fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("the volume has %v, want %v", have, want)
	}
}
