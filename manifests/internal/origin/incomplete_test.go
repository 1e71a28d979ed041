package origin_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// TestOlderBundles: what older bundles write in words alone is understood as before.
func TestOlderBundles(t *testing.T) {
	t.Parallel()
	const body = `{
		"images": [{"origin": "release", "source": "q.example/release:4.18.1", "path": "openshift/release-images", "tags": ["4.18.1-x86_64"],
			"why": ["channel stable-4.18", "release 4.18.1 x86_64", "signed by someone"]}],
		"gaps": [
			{"origin": "release", "source": "q.example/part:v1", "why": ["release 4.18.1 x86_64: etcd"], "error": "gone"},
			{"origin": "catalog", "source": "q.example/catalog:v1", "why": ["catalog"], "error": "gone"}]}`
	var inv oci.Inventory
	if err := json.Unmarshal([]byte(body), &inv); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range origin.IncompleteOf(inv.Gaps) {
		got = append(got, i.Kind+" "+i.Name+"/"+i.Parts(inv.Gaps[0]))
	}
	if want := []string{"release 4.18.1 x86_64/etcd", "catalog q.example/catalog:v1/"}; !slices.Equal(got, want) {
		t.Errorf("incomplete: %q, want %q", got, want)
	}
	list := origin.Releases(&inv)
	if want := []string{"channel stable-4.18", "signed by someone"}; len(list) != 1 || !slices.Equal(list[0].Why, want) {
		t.Errorf("releases: %+v, want reasons %q", list, want)
	}
}

// TestPartsOnce has two catalogs ask for one image: it is one part of the operator.
func TestPartsOnce(t *testing.T) {
	t.Parallel()
	var reasons []oci.Reason
	for _, part := range []string{"bundle", "related image"} {
		for _, catalog := range []string{"q.example/index:v4.15", "q.example/index:v4.16"} {
			reasons = append(reasons, oci.Reason{Kind: origin.KindOperator, Name: "acme 1.2.3", Part: part, Catalog: catalog})
		}
	}
	gap := oci.Gap{Image: oci.Image{Origin: origin.Operator, Source: oci.Ref{Registry: "q.example", Repository: "acme", Tag: "v1"}, Reasons: reasons}}
	list := origin.IncompleteOf([]oci.Gap{gap})
	if len(list) != 1 || list[0].Name != "acme 1.2.3" || len(list[0].Missing) != 1 {
		t.Fatalf("%+v", list)
	}
	if got := list[0].Parts(gap); got != "bundle, related image" {
		t.Errorf("parts: %q", got)
	}
}
