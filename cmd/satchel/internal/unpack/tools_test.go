package unpack

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestWriteTools: a program that is not what pack took out of the release is not written.
func TestWriteTools(t *testing.T) {
	t.Parallel()
	c := ocitest.New(3)
	layer, err := c.Files(ocitest.LayerGzip, ocitest.File{Name: "usr/bin/oc", Body: []byte("the client")})
	if err != nil {
		t.Fatal(err)
	}
	facts := manifests.PayloadFacts{Version: semver.MustParse("4.18.3")}
	facts.Tools = []manifests.Tool{{Name: "oc", Platform: "linux/amd64", Image: c.ImageFor("amd64", false, layer), Source: "quay.io/r@" + digest.FromString("r").String(), SHA256: digest.FromString("the client")}}
	dir := filepath.Join(t.TempDir(), "out")
	out, err := outdir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Write(nil); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	u := &unpacking{Options: Options{Out: out, Site: manifests.Site{Payloads: []manifests.PayloadFacts{facts}}}, src: c}
	u.To = notice.To{Log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 2 {
		if err := u.writeTools(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if body, err := os.ReadFile(filepath.Join(dir, "tools/oc-4.18.3-amd64")); err != nil || string(body) != "the client" {
		t.Errorf("%q, %v", body, err)
	}
	if said := log.String(); !strings.Contains(said, "1 written, 0 there already") || !strings.Contains(said, "0 written, 1 there already") {
		t.Errorf("said %q", said)
	}
	west, err := outdir.Open(filepath.Join(t.TempDir(), "west"))
	if err != nil {
		t.Fatal(err)
	}
	if err := west.Write(nil); err != nil {
		t.Fatal(err)
	}
	u.More = []Output{{Dir: west}}
	if err := u.writeTools(t.Context()); err != nil || !strings.Contains(log.String(), filepath.Join(west.Path(), "tools")) {
		t.Errorf("of two clusters: %v, %s", err, log.String())
	}
	u.More = nil
	u.Site.Payloads[0].Tools[0].SHA256 = digest.FromString("another one")
	u.Site.Payloads[0].Version = semver.MustParse("4.18.4")
	if err := u.writeTools(t.Context()); err == nil || !strings.Contains(err.Error(), "release 4.18.4") || !strings.Contains(err.Error(), "its SHA-256 is") {
		t.Errorf("other bytes: %v", err)
	}
}

// TestToolsLeftOut: a bundle of some images alone may lack the image of a program: that one is
// left out, which is said, and the others are written.
func TestToolsLeftOut(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 67)
	component := func(name string) oci.Descriptor {
		layer, err := b.Content.Files(ocitest.LayerGzip, ocitest.File{Name: "usr/bin/" + name, Body: []byte(name)})
		if err != nil {
			t.Fatal(err)
		}
		return b.Content.ImageFor("amd64", false, layer)
	}
	cli, other := component("oc"), component("other")
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(b.Push(cli, "ocp/cli", "v1"))), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	facts := manifests.PayloadFacts{Version: semver.MustParse("4.18.3")}
	for name, root := range map[string]oci.Descriptor{"oc": cli, "openshift-install": other} {
		facts.Tools = append(facts.Tools, manifests.Tool{Name: name, Platform: "linux/amd64", Image: root, Source: "quay.io/r@" + digest.FromString("r").String(), SHA256: digest.FromString(name)})
	}
	dir := filepath.Join(t.TempDir(), "out")
	out, err := outdir.Open(dir)
	if err == nil {
		err = out.Write(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := b.Open(done.Dir)
	u := &unpacking{Options: Options{To: b.To(), Out: out, Site: manifests.Site{Payloads: []manifests.PayloadFacts{facts}}}, r: r, src: r}
	if err := u.writeTools(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body, err := os.ReadFile(filepath.Join(dir, "tools/oc-4.18.3-amd64")); err != nil || string(body) != "oc" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tools/openshift-install-4.18.3-amd64")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program without an image: %v", err)
	}
	if said := b.Log.String(); !strings.Contains(said, "tools/openshift-install-4.18.3-amd64 is not written: this bundle does not have the image that it is in") || strings.Contains(said, "tools/oc-4.18.3-amd64 is not written") {
		t.Errorf("said %q", said)
	}
}

// TestUnusedImages: an image that is refused to pods of a namespace which do not use it yet is said,
// after the others, and is no error.
func TestUnusedImages(t *testing.T) {
	t.Parallel()
	one := func(name string, unused bool) manifests.Unsigned {
		d := digest.FromString(name)
		return manifests.Unsigned{Image: oci.Image{Source: oci.Ref{Registry: "q.io", Repository: name, Digest: d}}, Manifest: d, Policy: "ImagePolicy shop/p", Namespace: "shop", Unused: unused, Err: manifests.ErrUnsigned}
	}
	var log strings.Builder
	u := &unpacking{Options: Options{Site: manifests.Site{Mirror: oci.Mirror{Host: "m.example"}}}}
	u.To = notice.To{Log: slog.New(slog.NewTextHandler(&log, nil))}
	u.signed = []*manifests.SignatureReport{{Unsigned: []manifests.Unsigned{one("idle", true)}}}
	if err := u.refused(); err != nil {
		t.Error(err)
	}
	u.signed[0].Unsigned = append(u.signed[0].Unsigned, one("busy", false))
	u.tellUnsigned()
	busy, idle := strings.Index(log.String(), "q.io/busy"), strings.Index(log.String(), "q.io/idle")
	if err := u.refused(); err == nil || busy < 0 || idle < busy {
		t.Errorf("%v, said %s", err, log.String())
	}
}
