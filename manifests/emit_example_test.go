package manifests_test

import (
	"fmt"
	"log"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// The files for a mirror that has one image.
func ExampleEmit() {
	source, err := oci.ParseRef("quay.io/acme/tool@sha256:a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1")
	if err != nil {
		log.Fatal(err)
	}
	inv := &oci.Inventory{Images: []oci.Image{{
		Origin: "additional",
		Source: source,
		Root:   oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: source.Digest, Size: 2},
	}}}
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		log.Fatal(err)
	}
	files, notes, err := manifests.Emit(inv, manifests.Site{Mirror: mirror})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name, "gitops/") {
			fmt.Println(f.Name)
		}
	}
	fmt.Println("notes:", len(notes))
	at := slices.IndexFunc(files, func(f manifests.File) bool { return f.Name == "icsp-generic.yaml" })
	fmt.Printf("%s", files[at].Body)
	// Output:
	// APPLY.md
	// CUT.md
	// drains/icsp-generic.yaml
	// drains/kustomization.yaml
	// icsp-generic.yaml
	// kustomization.yaml
	// registries.conf
	// restore/README.md
	// notes: 1
	// apiVersion: operator.openshift.io/v1alpha1
	// kind: ImageContentSourcePolicy
	// metadata:
	//   labels:
	//     app.kubernetes.io/managed-by: satchel
	//   name: satchel-generic-48b8b7b04356
	// spec:
	//   repositoryDigestMirrors:
	//   - mirrors:
	//     - mirror.example:5000/ocp/acme/tool
	//     source: quay.io/acme/tool
}
