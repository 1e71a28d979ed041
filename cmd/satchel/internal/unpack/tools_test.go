package unpack

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/manifests"
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
	u.Site.Payloads[0].Tools[0].SHA256 = digest.FromString("another one")
	u.Site.Payloads[0].Version = semver.MustParse("4.18.4")
	if err := u.writeTools(t.Context()); err == nil || !strings.Contains(err.Error(), "release 4.18.4") || !strings.Contains(err.Error(), "its SHA-256 is") {
		t.Errorf("other bytes: %v", err)
	}
}
