package matrixtest

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// TestMatrix has each registry as mirror and then as source, in each way.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, reg := range registries {
		for _, w := range ways() {
			t.Run(reg.name+"/"+w.String(), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, w)
				host := reg.start(t, s)
				cfg := transport.Config{Authfile: s.authfile(t, host), TLSVerify: w.secure, RetryTimes: 2, RetryDelay: time.Millisecond}
				if w.secure {
					cfg.CAFile = s.authority.File
				}
				content, inv := images(reg.docker)
				parallel := 2
				if reg.alone {
					parallel = 1
				}
				asMirror(t, cfg, target(host), parallel, content, inv)
				asSource(t, cfg, host, inv)
			})
		}
	}
}

// images are an OCI index, an image and its cosign signature, and a Docker list if
// wanted; they share a layer.
func images(docker bool) (*ocitest.Content, *oci.Inventory) {
	c := ocitest.New(41)
	shared, layer := c.Layer(100<<10, ocitest.LayerGzip), c.Layer(300<<10, ocitest.LayerGzip)
	app := c.Image(false, layer, shared)
	inv := &oci.Inventory{}
	add := func(name, tag string, root oci.Descriptor) {
		src := oci.Ref{Registry: "registry.example", Repository: "team/" + name, Tag: tag}
		inv.Images = append(inv.Images, oci.Image{Origin: "additional", Source: src, Root: root, Tags: []string{tag}})
	}
	add("app", "1", app)
	add("app", "sha256-"+app.Digest.Encoded()+".sig", c.Image(false, c.Layer(1000, "application/vnd.dev.cosign.simplesigning.v1+json")))
	if docker {
		add("list", "1", c.Index(true, c.Image(true, shared), c.ImageFor("arm64", true, shared)))
	}
	add("index", "1", c.IndexFor(false, []string{"amd64", "arm64"}, c.Image(false, shared), c.ImageFor("arm64", false, shared)))
	inv.Sort()
	return c, inv
}

func target(host string) oci.Mirror { return oci.Mirror{Host: host, Namespace: "mirror"} }

// asMirror pushes as unpack does, looks, and finds nothing more to push.
func asMirror(t *testing.T, cfg transport.Config, to oci.Mirror, parallel int, content *ocitest.Content, inv *oci.Inventory) {
	t.Helper()
	cfg.Push = true
	c := transport.NewClient(cfg)
	defer c.Close()
	m := transport.NewMirror(c, to, parallel)
	missing, err := m.Missing(t.Context(), content, inv)
	if err != nil || len(missing.Images) != len(inv.Images) {
		t.Fatalf("%d images are missing, %v", len(missing.Images), err)
	}
	if err := m.Probe(t.Context(), m.Repos(missing), nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Blobs(t.Context(), content, slices.Values(missing.Blobs)); err != nil {
		t.Fatal(err)
	}
	if err := m.Manifests(t.Context(), content, missing.Images); err != nil {
		t.Fatal(err)
	}
	if err := m.Confirm(t.Context(), content, inv.Images); err != nil {
		t.Fatal(err)
	}
	if missing, err = m.Missing(t.Context(), content, inv); err != nil || len(missing.Images) > 0 {
		t.Errorf("afterwards %d images are missing, %v", len(missing.Images), err)
	}
}

// asSource reads every image as pack does, by tag, and what is attached to it.
func asSource(t *testing.T, cfg transport.Config, host string, inv *oci.Inventory) {
	t.Helper()
	c := transport.NewClient(cfg)
	defer c.Close()
	for _, img := range inv.Images {
		ref := target(host).Repo(img).WithTag(img.Tags[0])
		d, src, err := c.Resolve(t.Context(), ref)
		if err != nil || d.Digest != img.Root.Digest || d.MediaType != img.Root.MediaType {
			t.Fatalf("%s is %+v, %v", ref, d, err)
		}
		err = oci.Walk(t.Context(), oci.Verified(src), d, func(d oci.Descriptor, body []byte) error {
			if body != nil {
				return nil
			}
			return readBlob(t, src, d)
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Repository(ref)
		if err != nil {
			t.Fatal(err)
		}
		attached, err := r.Attachments(t.Context(), d)
		if signed := img.Source.String() == "registry.example/team/app:1"; err != nil || signed != (len(attached.List) == 1) || len(attached.Unknown) > 0 {
			t.Errorf("%s: attached is %+v, %v", ref, attached, err)
		}
	}
}

// readBlob reads a blob from the start, and again from its middle.
func readBlob(t *testing.T, src oci.Source, d oci.Descriptor) error {
	for _, off := range []int64{0, d.Size / 2} {
		from := src
		if off == 0 {
			from = oci.Verified(src)
		}
		rc, err := from.Open(t.Context(), d, off)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, rc)
		if cerr := rc.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		if n != d.Size-off {
			return fmt.Errorf("%d bytes from %d on, of %d", n, off, d.Size)
		}
	}
	return nil
}

// TestTable holds the table of the document to what TestMatrix runs.
func TestTable(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	want.WriteString("| registry |")
	for _, w := range ways() {
		fmt.Fprintf(&want, " %s |", w)
	}
	want.WriteString("\n|---|" + strings.Repeat("---|", len(ways())) + "\n")
	for _, reg := range registries {
		for _, role := range []string{"mirror", "source"} {
			fmt.Fprintf(&want, "| %s, as %s |", reg.name, role)
			for _, w := range ways() {
				cell := "yes"
				if reg.gated && w.login != open {
					cell += ", by a proxy"
				}
				if !reg.docker {
					cell += ", OCI images"
				}
				fmt.Fprintf(&want, " %s |", cell)
			}
			want.WriteString("\n")
		}
	}
	for _, role := range []string{"mirror", "source"} { // its module cannot be downloaded
		want.WriteString("| zot 2, as " + role + " |" + strings.Repeat(" not tried |", len(ways())) + "\n")
	}
	page, err := os.ReadFile("../../docs/registries.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), want.String()) {
		t.Errorf("docs/registries.md does not have this table:\n%s", want.String())
	}
}
