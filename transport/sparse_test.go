package transport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
)

// TestSparseBounds has indexes with much beside what matters of what is left out.
func TestSparseBounds(t *testing.T) {
	t.Parallel()
	content := ocitest.New(11)
	var list []oci.Image
	for i := range 20 {
		var children []oci.Descriptor
		var without []digest.Digest
		for k := range 100 {
			word := strings.Repeat("\u0001", 300)
			d := oci.Descriptor{MediaType: oci.MediaTypeDockerList, Digest: oci.Digest([]byte{byte(i), byte(k)}), Size: 4 << 20, URLs: []string{word}, Data: []byte(word),
				Annotations: map[string]string{"a": strings.Repeat("a", 10<<10)}, Platform: &ispec.Platform{OS: word, Architecture: word, Variant: word, OSVersion: word, OSFeatures: []string{word}}}
			children, without = append(children, d), append(without, d.Digest)
		}
		slices.Sort(without)
		body, err := json.Marshal(ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeIndex, Manifests: children})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, oci.Image{Origin: "additional", Source: oci.Ref{Registry: "a.io", Repository: "x", Tag: fmt.Sprint("v", i)}, Root: content.Blob(body, oci.MediaTypeIndex), Omitted: without})
		if err := list[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	sparse, err := mirrorAt(insecure(t), "a.io", 1).Sparse(t.Context(), content, list)
	if err != nil || len(sparse) != 1 {
		t.Fatalf("%d repositories, %v", len(sparse), err)
	}
	for _, lacks := range sparse {
		c, err := probe.New(probe.Base{}, lacks)
		if err != nil || len(lacks) != 1<<10 || c.Sparse.Size > 1<<20 {
			t.Errorf("a probe's index names %d manifests in %d bytes, %v", len(lacks), c.Sparse.Size, err)
		}
		if d := lacks[0]; d.URLs != nil || d.Data != nil || d.Annotations != nil || d.Platform.OSVersion != "" || d.Platform.OSFeatures != nil {
			t.Errorf("it says %+v", d)
		}
	}
}
