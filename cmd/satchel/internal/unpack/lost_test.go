package unpack

import (
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// TestOffering names the catalogs in the mirror whose operators are not whole, and no others.
func TestOffering(t *testing.T) {
	t.Parallel()
	catalog := func(name string) oci.Image {
		return oci.Image{Origin: manifests.OriginCatalog, Source: oci.Ref{Registry: "quay.io", Repository: name, Tag: "v4.18"}}
	}
	operator := func(of string) oci.Gap {
		return oci.Gap{Image: oci.Image{Origin: manifests.OriginOperator, Reasons: []oci.Reason{{Kind: manifests.KindOperator, Name: "op.v1", Catalog: of}}}}
	}
	images := []oci.Image{catalog("one/index"), catalog("two/index"), catalog("three/index")}
	lost := []oci.Gap{operator("quay.io/two/index:v4.18"), operator("quay.io/two/index:v4.18"), operator("quay.io/gone/index:v4.18"), {Image: images[0]}}
	if got := offering(images, lost); !slices.Equal(got, []string{"quay.io/two/index:v4.18"}) {
		t.Errorf("catalogs %q", got)
	}
}
