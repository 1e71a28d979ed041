package pack_test

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/readmetest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// opened is a bundle of every kind of image, opened as its README.txt says.
type opened struct {
	dir, out string
	words    map[string]string // of README.txt
	groups   []string          // of its lines
	images   []oci.Image
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
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(refs...)), "My Passport"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(done.Dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{dir: done.Dir, out: filepath.Join(t.TempDir(), "the content"), groups: readmetest.Groups(string(text)), images: b.Open(done.Dir).Inventory().Images}
	o.words = map[string]string{"DIR": o.dir, "OUT": o.out, "KEY": b.KeyFile()}
	if out, err := o.run(t, nil, "set -e\n"+strings.Join(o.opening(t), "")); err != nil || !strings.Contains(out, "complete: "+o.out+"/layout\n") {
		t.Fatalf("open the bundle: %v\n%s", err, out)
	}
	return o
}

// opening are the groups of lines that open the bundle.
func (o *opened) opening(t *testing.T) []string {
	t.Helper()
	return o.groups[readmetest.Find(t, o.groups, `cd "DIR"`):readmetest.Find(t, o.groups, "index.json")]
}

// fill replaces the words of README.txt.
func (o *opened) fill(words map[string]string, lines string) string {
	all := maps.Clone(o.words)
	maps.Copy(all, words)
	return readmetest.Fill(lines, all)
}

// run gives lines of README.txt to bash, with its words replaced.
func (o *opened) run(t *testing.T, words map[string]string, lines string, env ...string) (string, error) {
	t.Helper()
	return readmetest.Run(t, o.dir, o.fill(words, lines), env...)
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
	t.Run("every line", func(t *testing.T) { o.isTried(t) })
	t.Run("pasted", func(t *testing.T) { o.pasted(t) })
	t.Run("curl", func(t *testing.T) { o.pushByCurl(t) })
	t.Run("another manifest", func(t *testing.T) { o.pushIsLookedAt(t) })
	t.Run("skopeo", func(t *testing.T) { o.copyBySkopeo(t) })
	t.Run("skopeo, TLS and a password", func(t *testing.T) { o.copyToTLS(t) })
}

// isTried: README.txt has the groups of lines that are tried here, those of satchel (in the
// scripts of the command), and no others. Its list names every image.
func (o *opened) isTried(t *testing.T) {
	for i, part := range []string{"satchel verify", `cd "DIR"`, `age -d -i "KEY"`, "sha256sum --quiet", "ref.name", "skopeo copy", "cacert", "push()"} {
		if at := readmetest.Find(t, o.groups, part); at != i || len(o.groups) != 8 {
			t.Errorf("%q is group %d of %d of README.txt", part, at, len(o.groups))
		}
	}
	out, err := o.run(t, nil, o.groups[4])
	for _, img := range o.images {
		if line := img.Root.Digest.String() + "\t" + img.Source.String() + "\n"; err != nil || !strings.Contains(out, line) {
			t.Errorf("the list lacks %q, %v:\n%s", line, err, out)
		}
	}
	if !strings.Contains(out, "\tcluster-yaml\n") {
		t.Errorf("the list:\n%s", out)
	}
}

// pasted: README.txt's lines in an interactive shell. What fails is seen there, and the
// shell stays open.
func (o *opened) pasted(t *testing.T) {
	bare := registrytest.StartOlareg(t).Host
	again := filepath.Join(t.TempDir(), "out")
	words := map[string]string{"OUT": again, "https": "http", "HOST": bare, "PATH": "ns/pasted", "TAG": "v1", "DIGEST": o.images[0].Root.Digest.String()}
	list := slices.Concat(o.opening(t), []string{"touch OUT/curl.conf", o.groups[7]})
	for i := range list {
		list[i] = o.fill(words, list[i])
	}
	shown, status := readmetest.Paste(t, o.dir, list)
	if slices.Max(status) != 0 || !strings.Contains(shown, "\ncomplete: "+again) || !strings.Contains(shown, "\n"+bare+"/ns/pasted has "+words["DIGEST"]+" as v1") {
		t.Errorf("status %v:\n%s", status, shown)
	}
	if _, err := os.Stat(filepath.Join(again, "bundle.key")); err == nil {
		t.Error("the lines leave the bundle key behind")
	}

	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.CopyFS(damaged, os.DirFS(o.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(damaged, "s-00-00001.age")); err != nil {
		t.Fatal(err)
	}
	words["DIR"], words["OUT"], words["DIGEST"] = damaged, filepath.Join(t.TempDir(), "out"), "sha256:"+strings.Repeat("0", 64)
	list = slices.Concat(o.opening(t), []string{"touch OUT/curl.conf", o.groups[7]})
	for i := range list {
		list[i] = o.fill(words, list[i])
	}
	shown, status = readmetest.Paste(t, o.dir, list)
	if status[2] == 0 || status[4] == 0 || strings.Count(shown, "\nFAILED: see above") != 2 || strings.Contains(shown, "\ncomplete:") {
		t.Errorf("a damaged bundle: status %v:\n%s", status, shown)
	}
}

// copyToTLS logs in and copies as README.txt says, into a registry with TLS and an authority
// of its own.
func (o *opened) copyToTLS(t *testing.T) {
	program := installed()
	if program == "" {
		t.Skip("skopeo is not installed")
	}
	secure, home := registrytest.StartV3(t, true, "jane", "geheim"), homeOf(t)
	host, ca := secure.Host, secure.CA
	certs := filepath.Join(t.TempDir(), "certs")
	body, err := os.ReadFile(ca)
	if err == nil {
		err = os.Mkdir(certs, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(certs, "ca.crt"), body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home + "/.config", "XDG_RUNTIME_DIR=" + home, "REGISTRY_AUTH_FILE=" + home + "/auth.json"}
	login := "echo geheim | skopeo login --cert-dir " + certs + " -u jane --password-stdin HOST\n"
	m := mirror{host: host, ca: ca}
	c := m.client(t)
	for _, img := range o.images {
		if name := path.Base(img.Source.Repository); strings.HasPrefix(name, "docker") || name == "nested" || name == "many" {
			continue // the installed one cannot, README.txt says so; many is like oci
		}
		words := map[string]string{"HOST": host, "PATH": "ocp/" + img.Source.Repository, "TAG": "v1", "NAME": img.Source.String()}
		copying := strings.Replace(o.groups[5], "copy ", "copy --dest-cert-dir "+certs+" ", 1)
		if out, err := o.run(t, words, "set -e\n"+login+copying, env...); err != nil {
			t.Errorf("%s: %v\n%s", img.Source, err, out)
			continue
		}
		check(t, c, host, "ocp/"+img.Source.Repository, img)
	}
}

// copyBySkopeo copies by the line in README.txt with a skopeo of the version that it asks
// for, and with the installed one what an older one can.
func (o *opened) copyBySkopeo(t *testing.T) {
	current := skopeo119(t)
	if current == "" {
		t.Skip("no skopeo 1.19: SATCHEL_SKOPEO names one, SATCHEL_SOAK=1 builds it")
	}
	home := homeOf(t)
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
				line := strings.Replace(o.groups[5], "skopeo copy", program+" copy --dest-tls-verify=false", 1)
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

// homeOf is a home with skopeo's policy.
func homeOf(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".config/containers"), 0o700); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(home, ".config/containers/policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
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
		cmd := proctest.Within(t, proctest.Build, "go", args...)
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
