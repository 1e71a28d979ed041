package pack_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// opened is a bundle of every kind of image, opened as its README.txt says.
type opened struct {
	dir, key, out string
	lines         []string // of README.txt, from the first one that opens the bundle
	images        []oci.Image
}

func openByReadme(t *testing.T) *opened {
	t.Helper()
	for _, program := range []string{"bash", "age", "zstd", "tar", "curl", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	b := jobtest.New(t, 1)
	var refs []string
	for name, root := range b.Content.Kinds() {
		refs = append(refs, b.Push(root, "kinds/"+name, "v1"))
	}
	slices.Sort(refs)
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(refs...)), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{dir: done.Dir, key: b.KeyFile(), out: t.TempDir(), images: b.Open(done.Dir).Inventory().Images}
	text, err := os.ReadFile(filepath.Join(done.Dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "  "); ok && (len(o.lines) > 0 || strings.HasPrefix(command, "set -eo")) {
			o.lines = append(o.lines, command)
		}
	}
	i := slices.IndexFunc(o.lines, func(l string) bool { return strings.HasPrefix(l, "skopeo") })
	if i < 0 {
		t.Fatalf("README.txt has no line with skopeo:\n%s", text)
	}
	if out, err := o.run(t, nil, strings.Join(o.lines[:i], "")); err != nil {
		t.Fatalf("open the bundle: %v\n%s", err, out)
	}
	o.lines = o.lines[i:]
	return o
}

// run gives lines of README.txt to bash, with its words replaced.
func (o *opened) run(t *testing.T, words map[string]string, script string, env ...string) (string, error) {
	t.Helper()
	script = regexp.MustCompile(`\b(KEY|OUT|NAME|HOST|PATH|TAG|DIGEST|USER|PASSWORD|https)\b`).ReplaceAllStringFunc(script, func(w string) string {
		switch w {
		case "KEY":
			return o.key
		case "OUT":
			return o.out
		case "https":
			return "http" // the registries of this test
		}
		return words[w]
	})
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir, cmd.Env = o.dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// check pulls an image from the mirror as satchel does: every byte of it.
func check(t *testing.T, c *transport.Client, host, path string, img oci.Image) {
	t.Helper()
	d, src, err := c.Resolve(t.Context(), oci.Ref{Registry: host, Repository: path, Tag: "v1"})
	if err == nil && d.Digest != img.Root.Digest {
		t.Errorf("%s: the digest is %s, not %s", img.Source, d.Digest, img.Root.Digest)
	}
	if err == nil {
		err = oci.Walk(t.Context(), oci.Verified(src), d, func(d oci.Descriptor, body []byte) error {
			if body != nil {
				return nil
			}
			_, err := oci.ReadBlob(t.Context(), src, d, d.Size)
			return err
		})
	}
	if err != nil {
		t.Errorf("%s: %v", img.Source, err)
	}
}

// TestReadme has what README.txt says tried with real registries.
func TestReadme(t *testing.T) {
	t.Parallel()
	o := openByReadme(t)
	t.Run("curl", func(t *testing.T) { o.pushByCurl(t) })
	t.Run("another manifest", func(t *testing.T) { o.pushIsLookedAt(t) })
	t.Run("skopeo", func(t *testing.T) { o.copyBySkopeo(t) })
}

// pushByCurl pushes every kind of image by the loop in README.txt.
func (o *opened) pushByCurl(t *testing.T) {
	script := strings.Join(o.lines[1:], "")
	for name, host := range map[string]string{
		"docker-registry": registrytest.StartAuth(t, "jane", "geheim").Host, "distribution v3": registrytest.StartV3(t, false, "", "").Host,
	} {
		auth := filepath.Join(t.TempDir(), "auth.json")
		if err := os.WriteFile(auth, []byte(`{"auths":{"`+host+`":{"auth":"amFuZTpnZWhlaW0="}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		c := transport.NewClient(transport.Config{Authfile: auth})
		defer c.Close()
		for _, img := range o.images {
			if strings.HasSuffix(img.Source.Repository, "many") { // slow, and like any other
				continue
			}
			words := map[string]string{"HOST": host, "PATH": img.Source.Repository, "TAG": "v1", "DIGEST": img.Root.Digest.String(), "USER": "jane", "PASSWORD": "geheim"}
			out, err := o.run(t, words, script)
			if err != nil || !strings.Contains(out, "has "+img.Root.Digest.String()+" as v1") {
				t.Errorf("%s, %s: %v\n%s", name, img.Source, err, out)
				continue
			}
			check(t, c, host, img.Source.Repository, img)
		}
	}
}

// pushIsLookedAt has a registry that gives other bytes than it got: the loop says so.
func (o *opened) pushIsLookedAt(t *testing.T) {
	proxy := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	proxy.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) != "GET manifest" {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("{"), []byte(" "), 1)))
		return err
	}
	words := map[string]string{"HOST": proxy.Host, "PATH": "a", "TAG": "v1", "DIGEST": o.images[0].Root.Digest.String()}
	if out, err := o.run(t, words, strings.Join(o.lines[1:], "")); err == nil {
		t.Errorf("a registry that changes a manifest is believed:\n%s", out)
	}
}

// copyBySkopeo copies by the line in README.txt with a skopeo of the version that it asks
// for, and with the installed one what an older one can.
func (o *opened) copyBySkopeo(t *testing.T) {
	current := skopeo119(t)
	if current == "" {
		t.Skip("no skopeo 1.19: SATCHEL_SKOPEO names one, SATCHEL_SOAK=1 builds it")
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".config/containers"), 0o700); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(home, ".config/containers/policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string]string{"installed": installed(), "current": current} {
		t.Run(name, func(t *testing.T) {
			if program == "" {
				t.Skip("skopeo is not installed")
			}
			host := registrytest.StartV3(t, false, "", "").Host
			c := transport.NewClient(transport.Config{})
			defer c.Close()
			for _, img := range o.images {
				docker := img.Root.MediaType == oci.MediaTypeDockerManifest || img.Root.MediaType == oci.MediaTypeDockerList
				if docker && name == "installed" || strings.HasSuffix(img.Source.Repository, "nested") {
					continue // README.txt says so
				}
				line := strings.Replace(o.lines[0], "skopeo copy", program+" copy --dest-tls-verify=false", 1)
				words := map[string]string{"HOST": host, "PATH": img.Source.Repository, "TAG": "v1", "NAME": img.Source.String()}
				if out, err := o.run(t, words, line, "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config"); err != nil {
					t.Errorf("%s: %v\n%s", img.Source, err, out)
					continue
				}
				check(t, c, host, img.Source.Repository, img)
			}
		})
	}
}

func installed() string {
	path, _ := exec.LookPath("skopeo") // "" if there is none
	return path
}

// skopeo119 gives the first skopeo that finds Docker images in a layout, "" for none.
func skopeo119(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("SATCHEL_SKOPEO"); path != "" || os.Getenv("SATCHEL_SOAK") == "" {
		return path
	}
	const module, version, sum = "github.com/containers/skopeo", "v1.19.0", "h1:MiA+kxXGHg47GeHqdqyipNwBOa4OaBxFnFiNiwtcYu0="
	dir := t.TempDir()
	for _, args := range [][]string{
		{"mod", "init", "tools"}, {"get", module + "/cmd/skopeo@" + version},
		{"build", "-tags", "containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_devicemapper", "-o", "skopeo", module + "/cmd/skopeo"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GONOSUMDB="+module, "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("skopeo %s cannot be built: %v\n%s", version, err, out)
			return ""
		}
		if sums, err := os.ReadFile(filepath.Join(dir, "go.sum")); args[0] == "get" && (err != nil || !strings.Contains(string(sums), module+" "+version+" "+sum)) {
			t.Fatalf("%s %s is another module than it was, %v", module, version, err)
		}
	}
	return filepath.Join(dir, "skopeo")
}
