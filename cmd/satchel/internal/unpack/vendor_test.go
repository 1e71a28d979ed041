package unpack_test

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

const (
	releases   = "quay.io/openshift-release-dev/ocp-release"
	components = "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
)

// vendor publishes releases whose images it signs, in a registry that stands for quay.io.
type vendor struct {
	*jobtest.Bench
	t      *testing.T
	host   string // of that registry
	conf   string // registries.conf of the packing host
	policy []byte // as 4.22 ships it, with the vendor's key
	real   []byte // as it is shipped
	key    crypto.Signer
	names  map[digest.Digest]string // of each manifest that is pulled: the image
	config string                   // below "mirror:"
	// running is a release that pods show; "" for none
	running string
	// previous are the releases from which updates lead to the next one that is published
	previous []string
	payload  digest.Digest // of the last one
}

func newVendor(t *testing.T, seed uint64) *vendor {
	t.Helper()
	shipped, err := os.ReadFile("../../../../../shared/data/release/cluster-update-keys/manifests.rhel/0000_90_openshift-cluster-image-policy.yaml")
	if err != nil {
		t.Skipf("the policy that OpenShift ships is not here: %v", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	data := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	v := &vendor{Bench: jobtest.New(t, seed), t: t, real: shipped, key: key, names: map[digest.Digest]string{}, conf: filepath.Join(t.TempDir(), "registries.conf")}
	v.policy = regexp.MustCompile(`keyData: .*`).ReplaceAll(shipped, []byte("keyData: "+data))
	v.host = registrytest.StartOlareg(t).Host
	text := ""
	for _, of := range []string{"quay.io", "registry.redhat.io"} {
		text += fmt.Sprintf("[[registry]]\nprefix=\"%s\"\nlocation=\"%s\"\ninsecure=true\n", of, v.host)
	}
	if err := os.WriteFile(v.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

// only leaves scopes of a policy: 4.21 has it for releases alone.
func only(policy []byte, scopes ...string) []byte {
	list := regexp.MustCompile(`(?m)^  scopes:\n(  - .*\n)+`)
	return list.ReplaceAll(policy, []byte("  scopes:\n  - "+strings.Join(scopes, "\n  - ")+"\n"))
}

func (v *vendor) publish(root oci.Descriptor, name, tag string) {
	v.t.Helper()
	if err := ocitest.Push(v.t.Context(), v.Content, root, "http://"+v.host, strings.TrimPrefix(name, "quay.io/"), tag); err != nil {
		v.t.Fatal(err)
	}
}

// sign publishes a signature of a manifest; under another tag if one is given.
func (v *vendor) sign(d digest.Digest, name string, tag ...string) {
	v.t.Helper()
	s, err := ocitest.SignCosign(v.key, ocitest.CosignPayload(d, name+"@"+d.String()))
	if err != nil {
		v.t.Fatal(err)
	}
	m, err := v.Content.Cosigned(s)
	if err != nil {
		v.t.Fatal(err)
	}
	v.publish(m, name, append(tag, ocitest.CosignTag(d))[0])
}

// release publishes a payload with three components, one of them for two architectures, and
// signs what nodes pull, but for what is named in unsigned.
func (v *vendor) release(version string, policy []byte, unsigned ...string) {
	v.t.Helper()
	c := v.Content
	layer := func() oci.Descriptor { return c.Layer(2000, ocitest.LayerGzip) }
	refs := map[string]string{}
	for _, name := range []string{"cli", "etcd", "both"} {
		root := c.Image(true, layer())
		pulled := []oci.Descriptor{root}
		if name == "both" {
			pulled = []oci.Descriptor{c.Image(false, layer()), c.ImageFor("arm64", false, layer())}
			root = c.Index(false, pulled...)
		}
		v.publish(root, components, version+name)
		refs[name] = components + "@" + root.Digest.String()
		for _, d := range pulled {
			v.names[d.Digest] = name
			if !slices.Contains(unsigned, name) {
				v.sign(d.Digest, components)
			}
		}
		if name == "both" { // what nodes do not look at
			v.sign(root.Digest, components)
		}
	}
	var more []ocitest.File
	if policy != nil {
		more = append(more, ocitest.File{Name: "0000_90_openshift-cluster-image-policy.yaml", Body: policy})
	}
	payload, err := c.PayloadAfter(v.previous, version, "amd64", refs, more...)
	if err != nil {
		v.t.Fatal(err)
	}
	v.publish(payload, releases, version+"-x86_64")
	if !slices.Contains(unsigned, "payload") {
		v.sign(payload.Digest, releases)
	}
	v.payload = payload.Digest
	v.config = "  platform:\n    release: " + releases + ":" + version + "-x86_64\n"
}

// pack packs what is published, and gives the bundle and what its gap list names.
func (v *vendor) pack(dir string) (*bundle.Reader, []oci.Gap) {
	v.t.Helper()
	o := v.Prepare(v.config)
	o.Config.Extra.IgnoreReleaseSignature = true
	if v.running != "" {
		ref, err := oci.ParseRef(v.running)
		if err != nil {
			v.t.Fatal(err)
		}
		o.Config.Extra.Running = slices.Grow(o.Config.Extra.Running, 1)[:1]
		o.Config.Extra.Running[0].Ref, o.Config.Extra.Running[0].Why = ref, "pod openshift-cluster-version/cvo"
	}
	o.Client = transport.NewClient(transport.Config{RegistriesConf: v.conf})
	done, err := pack.Run(v.t.Context(), v.Pack(o, dir))
	if err != nil {
		v.t.Fatal(err)
	}
	return v.Open(done.Dir), done.Gaps.Images
}

// far is the mirror, and what is written for the cluster.
type far struct {
	unpack.Options
	dir string
}

func (v *vendor) far() far {
	v.t.Helper()
	f := far{dir: filepath.Join(v.t.TempDir(), "out")}
	out, err := outdir.Open(f.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	host := registrytest.StartOlareg(v.t).Host
	f.Options = unpack.Options{To: v.To(), Parallel: 2, Out: out, Site: manifests.Site{Mirror: oci.Mirror{Host: host, Namespace: "in"},
		PresentImage: &manifests.ImageConfig{Sources: manifests.RegistrySources{Insecure: []string{host}}}}}
	return f
}

func (f far) read(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// node writes what nodes have in /etc/containers for a policy, with the rules in conf.
func (v *vendor) node(policy []byte, conf string) ocitest.Pull {
	v.t.Helper()
	var o struct {
		Spec struct {
			Scopes []string
			Policy struct {
				RootOfTrust struct{ PublicKey struct{ KeyData []byte } }
			}
		}
	}
	if err := yaml.Unmarshal(policy, &o); err != nil {
		v.t.Fatal(err)
	}
	dir := v.t.TempDir()
	p := ocitest.Pull{Policy: filepath.Join(dir, "policy.json"), RegistriesD: filepath.Join(dir, "registries.d"), Registries: filepath.Join(dir, "registries.conf")}
	if err := os.Mkdir(p.RegistriesD, 0o700); err != nil {
		v.t.Fatal(err)
	}
	docker := map[string]any{}
	for _, scope := range o.Spec.Scopes {
		docker[scope] = []any{map[string]any{"type": "sigstoreSigned", "keyData": o.Spec.Policy.RootOfTrust.PublicKey.KeyData, "signedIdentity": map[string]string{"type": "matchRepoDigestOrExact"}}}
	}
	body, err := json.Marshal(map[string]any{"default": []any{map[string]string{"type": "insecureAcceptAnything"}}, "transports": map[string]any{"docker": docker}})
	if err == nil {
		err = os.WriteFile(p.Policy, body, 0o600)
	}
	if err == nil {
		err = os.WriteFile(p.Registries, []byte(conf), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(p.RegistriesD, "sigstore-registries.yaml"), v.attachments(o.Spec.Scopes, p.Registries), 0o600)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	return p
}

// attachments is registries.d as the Machine Config Operator writes it: for the scopes of a
// policy, and for each mirror that they are pulled from.
func (v *vendor) attachments(scopes []string, conf string) []byte {
	v.t.Helper()
	docker := map[string]any{}
	use := map[string]bool{"use-sigstore-attachments": true}
	for _, scope := range scopes {
		docker[scope] = use
		r, err := sysregistriesv2.FindRegistry(&types.SystemContext{SystemRegistriesConfPath: conf, SystemRegistriesConfDirPath: conf + ".d"}, scope)
		if err != nil {
			v.t.Fatal(err)
		}
		if r == nil {
			continue
		}
		name, err := reference.ParseNamed(scope + "@" + digest.FromString("x").String())
		if err != nil {
			v.t.Fatal(err)
		}
		sources, err := r.PullSourcesFromReference(name)
		if err != nil {
			v.t.Fatal(err)
		}
		for _, s := range sources {
			docker[s.Reference.Name()] = use
		}
	}
	body, err := yaml.Marshal(map[string]any{"docker": docker})
	if err != nil {
		v.t.Fatal(err)
	}
	return body
}

// pulls has a node of each architecture pull every image of a bundle.
func pulls(r *bundle.Reader, node ocitest.Pull) (list []ocitest.Pull) {
	for _, img := range r.Inventory().Images {
		if img.Subject != "" {
			continue
		}
		for _, arch := range []string{"amd64", "arm64"} {
			if arch == "arm64" && len(img.Platforms) < 2 {
				continue
			}
			one := node
			one.Image, one.Arch = img.Source.WithDigest(img.Root.Digest).String(), arch
			list = append(list, one)
		}
	}
	return list
}

// skopeo pulls the same, where a skopeo is named that can check these signatures: Debian's cannot.
func (v *vendor) skopeo(pulls []ocitest.Pull, answers []string) {
	v.t.Helper()
	program := os.Getenv("SATCHEL_SKOPEO")
	if program == "" {
		return
	}
	for i, p := range pulls {
		cmd := proctest.Command(v.t, program, "--policy", p.Policy, "--registries.d", p.RegistriesD, "--registries-conf", p.Registries, "--override-arch", cmp.Or(p.Arch, runtime.GOARCH), "copy", "-q", "docker://"+p.Image, "dir:"+v.t.TempDir())
		out, err := cmd.CombinedOutput()
		if (err == nil) != (answers[i] == ocitest.Accepted) {
			v.t.Errorf("skopeo copy %s for %s: %v: %s, where nodes say %q", p.Image, p.Arch, err, out, answers[i])
		}
	}
}
