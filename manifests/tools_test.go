package manifests

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// program makes a component's image for an architecture, with one program.
func program(t *testing.T, m *asktest.Registry, arch, file, body string) oci.Descriptor {
	t.Helper()
	layer, err := m.Files(ocitest.LayerGzip, ocitest.File{Name: file, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	return m.ImageFor(arch, true, layer)
}

// TestTools: the programs of a release are found when it is packed, and are taken out of its
// images with the release in them; a release without them is refused.
func TestTools(t *testing.T) {
	t.Parallel()
	m := asktest.NewRegistry()
	const mark = "\x00_RELEASE_IMAGE_LOCATION_\x00"
	room := mark + strings.Repeat("X", 270) + "\x00"
	oc := m.Index(true, program(t, m, "amd64", "usr/bin/oc", "oc for amd64"), program(t, m, "arm64", "usr/bin/oc", "oc for arm64"))
	installer := program(t, m, "amd64", "usr/bin/openshift-install", "install "+room+" end")
	components := map[string]string{"cli": m.At(asktest.Art+"@"+oc.Digest.String(), oc), "installer": m.At(asktest.Art+"@"+installer.Digest.String(), installer)}
	d := m.PutPayload(t, "4.12.3", "amd64", components)
	m.At("quay.io/ocp/rel:v", d)
	c := asktest.ReleaseConfig(t, "quay.io/ocp/rel:v")
	c.Extra.Tools = true
	inv, err := Resolve(t.Context(), c, m)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadPayloadFacts(t.Context(), inv, &m.Stored)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	release := "quay.io/ocp/rel@" + d.Digest.String()
	want := map[string]string{
		"tools/oc-4.12.3-amd64":                "oc for amd64",
		"tools/oc-4.12.3-arm64":                "oc for arm64",
		"tools/openshift-install-4.12.3-amd64": "install " + release + "\x00" + room[len(release)+1:] + " end",
	}
	for _, tool := range list[0].Tools {
		var out bytes.Buffer
		if err := ExtractTool(t.Context(), m.Content, list[0], tool, &out); err != nil {
			t.Error(err)
		}
		name := list[0].ToolFile(tool)
		if body, is := want[name]; !is || out.String() != body || tool.SHA256 != digest.FromString(body) || tool.Size != int64(len(body)) {
			t.Errorf("%s is %q, %d bytes, %s", name, out.String(), tool.Size, tool.SHA256)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}

	m.At("quay.io/ocp/rel:w", m.PutPayload(t, "4.12.4", "amd64", map[string]string{"cli": components["cli"], "etcd": components["cli"]}))
	c = asktest.ReleaseConfig(t, "quay.io/ocp/rel:w")
	c.Extra.Tools = true
	_, err = Resolve(t.Context(), c, m)
	var unfit *oci.UnsupportedError
	if gaps, ok := oci.Gaps(err); !ok || len(gaps) != 1 || !errors.As(gaps[0], &unfit) || !strings.Contains(unfit.Why, "no component of it has the program openshift-install") {
		t.Errorf("a release without openshift-install: %v", err)
	}

	m.At("quay.io/ocp/rel:x", m.PutPayload(t, "4.12.5", "amd64", map[string]string{"cli": components["installer"], "installer": components["installer"]}))
	c = asktest.ReleaseConfig(t, "quay.io/ocp/rel:x")
	c.Extra.Tools = true
	_, err = Resolve(t.Context(), c, m)
	gaps, _ := oci.Gaps(err)
	var without *ToolError
	if len(gaps) != 1 || !errors.As(gaps[0], &without) || !errors.As(gaps[0], &unfit) || !strings.Contains(err.Error(), "release 4.12.5 quay.io/ocp/rel:x, component cli, which is to have the program oc: image sha256:") || without.Hint() == "" {
		t.Errorf("a component without its program: %v", err)
	}
}
