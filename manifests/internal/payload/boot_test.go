package payload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// bootFile writes the ConfigMap of boot images with values as they are in JSON.
func bootFile(own, others string) string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: coreos-bootimages}\ndata:\n  stream: '" + own + "'\n"
	if others != "" {
		text += "  streams: '" + others + "'\n"
	}
	return text
}

// coreOS writes a stream: architectures with the references of their images.
func coreOS(pairs ...string) string {
	var archs []string
	for i := 0; i < len(pairs); i += 2 {
		archs = append(archs, fmt.Sprintf(`%q:{"images":{"kubevirt":{"release":"x","digest-ref":%q},"aws":{}}}`, pairs[i], pairs[i+1]))
	}
	return `{"stream":"x","architectures":{` + strings.Join(append(archs, `"ppc64le":{"images":{}}`), ",") + `}}`
}

func kubeVirt(t *testing.T, file string) (string, error) {
	t.Helper()
	c := ocitest.New(1)
	entries := []ocitest.File{{Name: "release-manifests/release-metadata", Body: []byte(goodMetadata)}}
	if file != "" {
		entries = append(entries, ocitest.File{Name: bootImages, Body: []byte(file)})
	}
	layer, err := c.Files(ocitest.LayerGzip, entries...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := KubeVirt(t.Context(), c, c.Image(true, layer))
	var lines []string
	for _, b := range list {
		lines = append(lines, fmt.Sprintf("%s/%s %s", b.Stream, b.Arch, b.Image))
	}
	var ue *oci.UnsupportedError
	if err != nil && !errors.As(err, &ue) {
		t.Errorf("%v is no UnsupportedError", err)
	}
	return strings.Join(lines, "\n"), err
}

func TestKubeVirt(t *testing.T) {
	t.Parallel()
	const a, b = "a.io/x/y@" + digestA, "a.io/x/y@" + digestB
	tests := []struct{ name, file, want, err string }{
		{"none", "", "", ""},
		{"no image", bootFile(coreOS(), ""), "", ""},
		{"one", bootFile(coreOS("x86_64", a), ""), "/x86_64 " + a, ""},
		{"two, by digest alone", bootFile(coreOS("x86_64", "a.io/x/y:v1@"+digestA, "s390x", b), ""), "/s390x " + b + "\n/x86_64 " + a, ""},
		{"streams", bootFile(coreOS("x86_64", a), `{"rhel-10":`+coreOS("x86_64", b)+`,"rhel-9":`+coreOS("x86_64", a)+`}`), "/x86_64 " + a + "\nrhel-10/x86_64 " + b, ""},
		{"by tag", bootFile(coreOS("x86_64", "a.io/x/y:v1"), ""), "", "its image for x86_64: a.io/x/y:v1 is named by a tag, which could move, and not by digest"},
		{"no reference", bootFile(coreOS("x86_64", "-"), ""), "", `its image for x86_64: image reference "-": invalid reference format`},
		{"architecture", bootFile(coreOS("a/b", a), ""), "", `architecture "a/b" of stream "" cannot be part of a tag`},
		{"stream", bootFile(coreOS(), `{"a b":`+coreOS("x86_64", a)+`}`), "", `architecture "x86_64" of stream "a b" cannot be part of a tag`},
		{"long", bootFile(coreOS("x86_64", strings.Repeat("a", 2000)), ""), "", "the name of its image for x86_64 has 2000 bytes"},
		{"not YAML", "a: [", "", "it is not valid YAML: "},
		{"not a ConfigMap", "kind: Secret\n", "", "it is no ConfigMap with a key stream"},
		{"not JSON", bootFile("x", ""), "", "its key stream is not valid JSON: invalid character 'x' looking for beginning of value"},
		{"streams not JSON", bootFile(coreOS(), "x"), "", "its key streams is not valid JSON: invalid character 'x' looking for beginning of value"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := kubeVirt(t, tc.file)
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), bootImages+": "+tc.err) {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

// TestRealKubeVirt reads the files that are at hand. That of 4.12 was written for
// a test, with a digest that is none.
func TestRealKubeVirt(t *testing.T) {
	t.Parallel()
	const data = "../../../../shared/data/release"
	if _, err := os.Stat(data); err != nil {
		t.Skipf("the data of other projects is not here: %v", err)
	}
	const repo = "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:"
	for release, want := range map[string]string{
		"ocp-4.10":           "/x86_64 " + repo + "5ba2d624b78f",
		"ocp-4.12.0-x86_64":  "its image for s390x: ",
		"ocp-5.0":            "/x86_64 " + repo + "833cbd9ad76a",
		"ocp-5.0 of RHEL 10": "rhel-10/x86_64 " + repo + "843e75c16c01",
	} {
		dir, _, _ := strings.Cut(release, " ")
		body, err := os.ReadFile(filepath.Join(data, dir, "0000_50_installer_coreos-bootimages.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := kubeVirt(t, string(body))
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s", release, got)
		}
	}
}

func TestReadMulti(t *testing.T) {
	t.Parallel()
	one := stream(component("a", "a.io/x/y@"+digestA))
	_, p, err := read(t, one, `{"kind":"cincinnati-metadata-v0","version":"4.12.0","metadata":{"url":"x","release.openshift.io/architecture":"multi"}}`)
	if err != nil || p.Architecture != "multi" {
		t.Errorf("got %+v, %v", p, err)
	}
}
