package manifests

import (
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// TestEarlierCatalog: default catalogs and those of the inventory are known by their place in the
// mirror, for the versions that updates lead to.
func TestEarlierCatalog(t *testing.T) {
	t.Parallel()
	inv := &oci.Inventory{Images: []oci.Image{{Origin: OriginCatalog, Source: oci.Ref{Registry: "quay.io", Repository: "acme/index", Tag: "v4.18"}, Path: "our/index"}}}
	for _, c := range []struct {
		mirror    oci.Mirror
		repo, tag string
		want      string
	}{
		{oci.Mirror{Host: "m", Namespace: "ns"}, "ns/redhat/redhat-operator-index", "v4.19", "registry.redhat.io/redhat/redhat-operator-index:v4.19"},
		{oci.Mirror{Host: "m", MaxNestedPaths: 1}, "redhat-certified-operator-index", "v4.20", "registry.redhat.io/redhat/certified-operator-index:v4.20"},
		{oci.Mirror{Host: "m"}, "our/index", "v4.19", "quay.io/acme/index:v4.19"},
		{oci.Mirror{Host: "m"}, "redhat/redhat-operator-index", "v4.18", ""}, // of the version that runs
		{oci.Mirror{Host: "m"}, "redhat/redhat-operator-index", "v4.21", ""}, // later than the update
		{oci.Mirror{Host: "m"}, "redhat/redhat-operator-index", "latest", ""},
		{oci.Mirror{Host: "m"}, "acme/index", "v4.19", ""},
	} {
		img, ok := EarlierCatalog(inv, c.mirror, c.repo, c.tag, digest.FromString("a"), semver.MustParse("4.18.10"), semver.MustParse("4.20.5"))
		if ok != (c.want != "") || ok && (img.Source.String() != c.want || img.Origin != OriginCatalog || c.mirror.Repo(img).Repository != c.repo || img.Root.Digest == "") {
			t.Errorf("%s:%s is %+v, %t; want %q", c.repo, c.tag, img, ok, c.want)
		}
	}
}
