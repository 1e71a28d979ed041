package payload

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const (
	goodMetadata = `{"kind":"cincinnati-metadata-v0","version":"4.12.0"}`
	digestA      = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB      = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// stream writes image-references with tags as they are in JSON.
func stream(tags ...string) string {
	return `{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","spec":{"tags":[` + strings.Join(tags, ",") + `]}}`
}

func component(name, image string) string {
	return fmt.Sprintf(`{"name":%q,"from":{"kind":"DockerImage","name":%q},"annotations":{"a":"b"}}`, name, image)
}

func read(t *testing.T, references, metadata string) (oci.Descriptor, *Payload, error) {
	t.Helper()
	c := ocitest.New(1)
	d, err := c.PayloadOf("amd64", []byte(references), []byte(metadata), c.Layer(4096, ocitest.LayerGzip))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Read(t.Context(), c, d)
	return d, p, err
}

func TestRead(t *testing.T) {
	t.Parallel()
	_, p, err := read(t, stream(component("b", "a.io/x/y@"+digestB), component("a", "a.io/x/y:v1@"+digestA)), goodMetadata)
	if err != nil {
		t.Fatal(err)
	}
	repo := oci.Ref{Registry: "a.io", Repository: "x/y"}
	want := &Payload{"4.12.0", []Component{{"a", repo.WithDigest(digestA)}, {"b", repo.WithDigest(digestB)}}, ""}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v", p)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	one := component("a", "a.io/x/y@"+digestA)
	many := make([]string, maxComponents+1)
	for i := range many {
		many[i] = component(fmt.Sprint("c", i), "a.io/x/y@"+digestA)
	}
	const refs, meta = "release-manifests/image-references: ", "release-manifests/release-metadata: "
	tests := []struct{ name, references, metadata, want string }{
		{"not JSON", "kind: ImageStream\n", goodMetadata, refs + "it is not valid JSON: invalid character 'k' looking for beginning of value"},
		{"more than JSON", stream(one) + "x", goodMetadata, refs + "it is not valid JSON: invalid character 'x' after top-level value"},
		{"empty", "", goodMetadata, refs + "it is not valid JSON: unexpected end of JSON input"},
		{"kind", strings.Replace(stream(one), "ImageStream", "Image\x1bList", 1), goodMetadata, refs + `it is not valid JSON: invalid character '\x1b' in string literal`},
		{"another kind", strings.Replace(stream(one), "ImageStream", "List", 1), goodMetadata, refs + `it is a "List" of "image.openshift.io/v1", not an ImageStream of image.openshift.io/v1`},
		{"another version", strings.Replace(stream(one), "image.openshift.io/v1", "v1", 1), goodMetadata, refs + `it is a "ImageStream" of "v1", not an ImageStream of image.openshift.io/v1`},
		{"too many", stream(many...), goodMetadata, refs + "it names 4097 components"},
		{"twice", stream(one, one), goodMetadata, refs + `component "a" is there twice`},
		{"no name", stream(component("", "a.io/x/y@"+digestA)), goodMetadata, refs + `component "": the name cannot be part of a tag`},
		{"no image", stream(`{"name":"a"}`), goodMetadata, refs + `component "a": it names no image`},
		{"another source", stream(strings.Replace(one, "DockerImage", "ImageStreamTag", 1)), goodMetadata, refs + `component "a": it comes from a "ImageStreamTag", not from a DockerImage`},
		{"by tag", stream(component("a", "a.io/x/y:v1")), goodMetadata, refs + `component "a": its image a.io/x/y:v1 is named by a tag, which could move, and not by digest`},
		{"short name", stream(component("a", "y@"+digestA)), goodMetadata, refs + `component "a": image reference "y@` + digestA + `" has no registry host; did you mean "docker.io/library/y@` + digestA + `"?`},
		{"long name", stream(component("a", strings.Repeat("a", 2000))), goodMetadata, refs + `component "a": the name of its image has 2000 bytes`},
		{"metadata not JSON", stream(one), "x", meta + "it is not valid JSON: invalid character 'x' looking for beginning of value"},
		{"metadata kind", stream(one), `{"kind":"cincinnati-metadata-v1","version":"4.12.0"}`, meta + `its kind is "cincinnati-metadata-v1", not cincinnati-metadata-v0`},
		{"no version", stream(one), `{"kind":"cincinnati-metadata-v0"}`, meta + `its version "" is not a semantic version`},
		{"v before the version", stream(one), `{"kind":"cincinnati-metadata-v0","version":"v4.12.0"}`, meta + `its version "v4.12.0" is not a semantic version`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			d, _, err := read(t, tc.references, tc.metadata)
			want := "payload " + d.Digest.String() + ": " + tc.want + "; is it a release payload?"
			var ue *oci.UnsupportedError
			if !errors.As(err, &ue) || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
