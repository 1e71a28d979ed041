package check_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// world is a mirror that a bundle was unpacked into, and the files for a cluster. The sources of its
// images are one registry, which counts what reaches it.
type world struct {
	*jobtest.Bench
	t      *testing.T
	mirror *registrytest.Served
	out    string
	key    crypto.Signer
	site   manifests.Site
	config string // below "mirror:"
	client *transport.Client
}

// kind says how a world is made.
type kind struct {
	secure   bool // TLS and a password
	api      manifests.MirrorAPI
	nested   int
	pullFrom []string // namespaces of further addresses
	sparse   bool
	images   int // additional ones
	depth    check.Depth
}

func newWorld(t *testing.T, seed uint64, k kind) *world {
	t.Helper()
	w := &world{Bench: jobtest.New(t, seed), t: t, out: filepath.Join(t.TempDir(), "out")}
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.publish(k)
	w.startMirror(k)
	done, err := pack.Run(t.Context(), w.packOptions())
	if err != nil {
		t.Fatal(err)
	}
	r := w.Open(done.Dir)
	o := unpack.Options{To: w.To(), Parallel: 2, Site: w.site}
	if o.Out, err = outdir.Open(w.out); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), r, w.client, o); err != nil {
		t.Fatalf("%v\n%s", err, w.Log)
	}
	w.Proxy.Reset()
	return w
}

func (w *world) packOptions() pack.Options {
	o := w.Prepare(w.config)
	o.Config.Extra.IgnoreReleaseSignature = true
	return w.Pack(o, "drive")
}

const (
	user, password = "node", "secret-of-nodes"
)

func (w *world) startMirror(k kind) {
	w.t.Helper()
	name, pass := "", ""
	if k.secure {
		name, pass = user, password
	}
	cfg := transport.Config{}
	if k.sparse {
		w.mirror = registrytest.StartSparse(w.t)
	} else {
		w.mirror = registrytest.StartV3(w.t, k.secure, name, pass)
	}
	w.site = manifests.Site{Mirror: oci.Mirror{Host: w.mirror.Host, Namespace: "in", MaxNestedPaths: k.nested}, MirrorAPI: k.api}
	if k.secure {
		secret := []byte(fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, w.mirror.Host, user, password))
		cfg = transport.Config{TLSVerify: true, CAFile: w.mirror.CA, Credentials: secret}
		var err error
		if w.site.CA, err = os.ReadFile(w.mirror.CA); err == nil {
			w.site.NodeSecret, err = manifests.ParsePullSecret("node.json", secret)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	} else {
		w.site.PresentImage = &manifests.ImageConfig{Sources: manifests.RegistrySources{Insecure: []string{w.mirror.Host}}}
	}
	for _, ns := range k.pullFrom {
		w.site.PullFrom = append(w.site.PullFrom, oci.Mirror{Host: w.mirror.Host, Namespace: ns})
	}
	w.client = transport.NewClient(cfg)
	w.t.Cleanup(w.client.Close)
}

// publish fills the sources: a release, a catalog, and more images, some of them indexes.
func (w *world) publish(k kind) {
	w.t.Helper()
	c := w.Content
	layer := func() oci.Descriptor { return c.Layer(2000, ocitest.LayerGzip) }
	refs := map[string]string{}
	for _, name := range []string{"cli", "etcd", "both"} {
		root := c.Image(true, layer())
		pulled := []oci.Descriptor{root}
		if name == "both" {
			pulled = []oci.Descriptor{c.Image(false, layer()), c.ImageFor("arm64", false, layer())}
			root = c.Index(false, pulled...)
		}
		tagged := w.Push(root, "vendor/parts", name)
		refs[name] = strings.TrimSuffix(tagged, ":"+name) + "@" + root.Digest.String()
		for _, d := range pulled {
			w.sign(d.Digest, "vendor/parts")
		}
	}
	payload, err := c.PayloadWith("4.18.1", "amd64", refs)
	if err != nil {
		w.t.Fatal(err)
	}
	release := w.Push(payload, "vendor/release", "4.18.1-x86_64")
	w.sign(payload.Digest, "vendor/release")
	catalog := w.catalog(map[string][]string{"etcd": {"1.0.0", "1.1.0"}, "zoo": {"3.0.0"}})
	w.config = "  platform:\n    release: " + release + "\n  operators:\n  - catalog: " + catalog + "\n    packages:\n    - name: etcd\n    - name: zoo\n"
	var more []string
	for i := range k.images {
		repo := fmt.Sprintf("team%d/deep/path/app%d", i%3, i)
		switch i % 3 {
		case 0:
			more = append(more, w.Push(c.Image(true, layer(), layer()), repo, "v1"))
		case 1:
			root := c.Index(false, c.Image(false, layer()), c.ImageFor("arm64", false, layer()))
			more = append(more, strings.TrimSuffix(w.Push(root, repo, "v1"), ":v1")+"@"+root.Digest.String())
		default:
			root := c.Image(false, layer())
			more = append(more, strings.TrimSuffix(w.Push(root, repo, "v1"), ":v1")+"@"+root.Digest.String())
		}
	}
	if len(more) > 0 {
		w.config += jobtest.Images(more...)
		if k.sparse {
			w.config = regexp.MustCompile(`(?m)^  - name: .*/team1/.*$`).ReplaceAllString(w.config, "$0\n    platforms:\n    - {os: linux, architecture: amd64}")
		}
	}
}

// sign publishes a signature of a manifest.
func (w *world) sign(d digest.Digest, repo string) {
	w.t.Helper()
	s, err := ocitest.SignCosign(w.key, ocitest.CosignPayload(d, w.Proxy.Host+"/"+repo+"@"+d.String()))
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := w.Content.Cosigned(s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Push(m, repo, ocitest.CosignTag(d))
}

// catalog publishes a catalog, with a bundle and one more image for each version.
func (w *world) catalog(packages map[string][]string) string {
	w.t.Helper()
	files := map[string][]byte{}
	for name, versions := range packages {
		var b strings.Builder
		fmt.Fprintf(&b, `{"schema":"olm.package","name":%q,"defaultChannel":"stable"}`+"\n", name)
		fmt.Fprintf(&b, `{"schema":"olm.channel","package":%q,"name":"stable","entries":[`, name)
		for i, v := range versions {
			if fmt.Fprintf(&b, `{"name":"%s.v%s"`, name, v); i > 0 {
				fmt.Fprintf(&b, `,"replaces":"%s.v%s"`, name, versions[i-1])
			}
			b.WriteString(map[bool]string{true: "}]}\n", false: "},"}[i == len(versions)-1])
		}
		for _, v := range versions {
			by := func(repo string) string {
				root := w.Content.Image(false, w.Content.Layer(1500, ocitest.LayerGzip))
				return strings.TrimSuffix(w.Push(root, repo, v), ":"+v) + "@" + root.Digest.String()
			}
			fmt.Fprintf(&b, `{"schema":"olm.bundle","package":%[1]q,"name":"%[1]s.v%[2]s","image":%[3]q,"properties":[{"type":"olm.package","value":{"packageName":%[1]q,"version":%[2]q}}],"relatedImages":[{"name":"operand","image":%[4]q}]}`+"\n", name, v, by("op/"+name), by("operand/"+name))
		}
		files[name+"/catalog.json"] = []byte(b.String())
	}
	d, err := w.Content.Catalog("amd64", files)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Push(d, "cat/index", "v4.18")
}

// options check what was unpacked.
func (w *world) options() check.Options {
	w.t.Helper()
	root, err := os.OpenRoot(w.out)
	if err != nil {
		w.t.Fatal(err)
	}
	defer root.Close()
	o := check.Options{To: w.To(), Depth: check.Layers, Parallel: 4, Tries: 1, Temp: w.t.TempDir()}
	if o.Handover, err = manifests.ReadHandover(root.FS()); err != nil {
		w.t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(w.out, receipt.File))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := receipt.Decode(body)
	if err != nil {
		w.t.Fatal(err)
	}
	o.Receipts = []*receipt.Receipt{r}
	became, err := outdir.Look(w.out)
	if o.Gone, o.Changed, o.Cut = became.Gone, became.Changed, became.Cut; err != nil {
		w.t.Fatal(err)
	}
	return o
}

// run checks, and makes sure that no source was asked.
func (w *world) run(o check.Options) (*check.Report, error) {
	w.t.Helper()
	r, err := check.Run(w.t.Context(), o)
	if asked := w.Proxy.Requests(); len(asked) > 0 {
		w.t.Errorf("the source was asked: %v", asked)
	}
	return r, err
}
