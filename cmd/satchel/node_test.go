package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"golang.org/x/sync/errgroup"
)

// node pulls as a node of the cluster does: by original digest references,
// through the registries.conf that the machine config operator would write.
type node struct {
	t     *testing.T
	dir   string
	rules string // registries.conf with the emitted rules
	plain string // and without
}

// unpackSite is the command line that pushes the drive into the mirror and writes
// the YAML of a cluster whose image.config says that the mirror speaks plain HTTP.
func (w *world) unpackSite(mirror, out string, more ...string) []string {
	w.t.Helper()
	host, _, _ := strings.Cut(mirror, "/")
	file := filepath.Join(w.dir, "image-config.yaml")
	text := "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {registrySources: {insecureRegistries: ['" + host + "']}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.unpack(mirror, append(more, "--output-dir", out, "--present-image-config", file)...)
}

// newNode applies the rules in out, of all kinds, to a node that is configured to use plain
// HTTP for the mirror.
func newNode(t *testing.T, mirror, out string) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "node") // podman takes no runroot of more than 50 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n := &node{t: t, dir: dir, rules: filepath.Join(dir, "rules.conf"), plain: filepath.Join(dir, "plain.conf")}
	found, err := filepath.Glob(filepath.Join(out, "i[cdt][sm][ps]-*.yaml"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no rules in %s: %v", out, err)
	}
	writeNodeConf(t, n.rules, mirror, found)
	writeNodeConf(t, n.plain, mirror, nil)
	if said, is := readFile(t, filepath.Join(out, "registries.conf")), readFile(t, n.rules); !bytes.Equal(said, is) {
		t.Errorf("registries.conf in %s is not what a node gets:\n%s\n%s", out, said, is)
	}
	return n
}

// writeNodeConf has a registries.conf made of policies.
func writeNodeConf(t *testing.T, name, mirror string, policies []string) {
	t.Helper()
	args := []string{"run", "-C", "../../manifests/nodetest", ".", mirror}
	for _, p := range policies {
		p, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, p)
	}
	cmd := proctest.Within(t, proctest.Build, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("registries.conf of a node: %v", err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs a client that can reach nothing but this machine.
func (n *node) command(conf, bin string, args ...string) *exec.Cmd {
	cmd := proctest.Command(n.t, bin, args...)
	const nobody = "http://127.0.0.1:9" // a proxy that is not there
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "TMPDIR=" + n.dir, "XDG_RUNTIME_DIR=" + n.dir, "CONTAINERS_REGISTRIES_CONF=" + conf,
		"HTTP_PROXY=" + nobody, "HTTPS_PROXY=" + nobody, "NO_PROXY=127.0.0.1"}
	return cmd
}

func (n *node) copyBy(conf, ref, dest string) *exec.Cmd {
	return n.command(conf, "skopeo", "--insecure-policy", "--registries-conf", conf, "copy", "--all", "-q", "docker://"+ref, "dir:"+dest)
}

func (n *node) pullBy(conf string, refs ...string) *exec.Cmd {
	return n.command(conf, "podman", append([]string{"--root", filepath.Join(n.dir, "root"), "--runroot", filepath.Join(n.dir, "run"),
		"--storage-driver", "vfs", "pull", "-q"}, refs...)...)
}

// wants skips the test where a client is not installed.
func wants(t *testing.T, bins ...string) {
	t.Helper()
	for _, bin := range bins {
		if _, err := exec.LookPath(bin); err != nil {
			t.Skipf("%s is not installed", bin)
		}
	}
}

// skopeo pulls every reference, all platforms of it.
func (n *node) skopeo(t *testing.T, refs []string) {
	t.Helper()
	t.Run("skopeo", func(t *testing.T) {
		wants(t, "skopeo")
		began := time.Now()
		var g errgroup.Group
		g.SetLimit(3)
		for i, ref := range refs {
			g.Go(func() error {
				dest := filepath.Join(n.dir, fmt.Sprint("pulled-", i))
				if out, err := n.copyBy(n.rules, ref, dest).CombinedOutput(); err != nil {
					t.Errorf("skopeo copy %s: %v\n%s", ref, err, out)
				}
				return os.RemoveAll(dest)
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		t.Logf("skopeo pulled %d images in %.1fs", len(refs), time.Since(began).Seconds())
	})
}

// podman pulls every reference into a storage of its own.
func (n *node) podman(t *testing.T, refs []string) {
	t.Helper()
	t.Run("podman", func(t *testing.T) {
		wants(t, "podman")
		began := time.Now()
		if out, err := n.pullBy(n.rules, refs...).CombinedOutput(); err != nil {
			t.Errorf("podman pull of %d images: %v\n%s", len(refs), err, out)
		}
		list := n.command(n.rules, "podman", append([]string{"--root", filepath.Join(n.dir, "root"), "--runroot", filepath.Join(n.dir, "run"),
			"--storage-driver", "vfs", "image", "inspect", "--format", "{{.Id}}"}, refs...)...)
		if out, err := list.Output(); err != nil || bytes.Count(out, []byte("\n")) != len(refs) {
			t.Errorf("podman has not got all of %q: %v\n%s", refs, err, out)
		}
		t.Logf("podman pulled %d images in %.1fs", len(refs), time.Since(began).Seconds())
	})
}

// unreachable shows that without the rules there is nothing to pull from.
func (n *node) unreachable(t *testing.T, refs ...string) {
	t.Helper()
	t.Run("without rules", func(t *testing.T) {
		wants(t, "skopeo")
		for i, ref := range refs {
			if out, err := n.copyBy(n.plain, ref, filepath.Join(n.dir, fmt.Sprint("none-", i))).CombinedOutput(); err == nil {
				t.Errorf("skopeo got %s without the rules: %s", ref, out)
			}
		}
	})
}

// unreachableByPodman is the same for podman, which takes seconds to give up. It
// must not have the image.
func (n *node) unreachableByPodman(t *testing.T, ref string) {
	t.Helper()
	t.Run("podman without rules", func(t *testing.T) {
		wants(t, "podman")
		if out, err := n.pullBy(n.plain, ref).CombinedOutput(); err == nil {
			t.Errorf("podman got %s without the rules: %s", ref, out)
		}
	})
}

// originals lists what a bundle carries by original repository and digest.
func originals(r inspect.Report) (refs []string) {
	for _, img := range r.Images {
		if img.Subject == "" {
			refs = append(refs, img.Source.WithDigest(img.Digest).String())
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}
