package oci_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

var reasonImage = oci.Image{Origin: "operator", Source: oci.Ref{Registry: "q.example", Repository: "a", Tag: "v1"},
	Root:    oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("a")), Size: 1},
	Reasons: []oci.Reason{{Kind: "operator", Name: "acme 1.2.3", Part: "bundle", Catalog: "q.example/catalog:v1"}, {Kind: oci.ReasonAttached, Name: "q.example/b:v1"}}}

// TestReasonsRoundTrip: reasons are data in JSON, and words beside it for older readers.
func TestReasonsRoundTrip(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(reasonImage)
	if err != nil || !strings.Contains(string(body), `"why":["operator acme 1.2.3: bundle","attached to q.example/b:v1"]`) ||
		!strings.Contains(string(body), `"catalog":"q.example/catalog:v1"`) {
		t.Fatalf("%s, %v", body, err)
	}
	var img oci.Image
	if err := json.Unmarshal(body, &img); err != nil || !reflect.DeepEqual(img, reasonImage) {
		t.Errorf("read again: %+v, %v", img, err)
	}
	gap := oci.Gap{Image: reasonImage, Err: errors.New("  gone\n for ever")}
	if body, err = json.Marshal(gap); err != nil || !strings.Contains(string(body), `"error":"gone for ever"`) {
		t.Fatalf("%s, %v", body, err)
	}
	var back oci.Gap
	if err := json.Unmarshal(body, &back); err != nil || !reflect.DeepEqual(back.Image.Reasons, reasonImage.Reasons) ||
		back.Image.Root.Digest != reasonImage.Root.Digest || back.Reason() != "gone for ever" {
		t.Errorf("read again: %+v, %v", back, err)
	}
}

// TestReasonsOfOlderBundles keeps the words that bundles without typed reasons have.
func TestReasonsOfOlderBundles(t *testing.T) {
	t.Parallel()
	var img oci.Image
	if err := json.Unmarshal([]byte(`{"origin":"release","why":["release 4.18.1 x86_64: etcd"]}`), &img); err != nil {
		t.Fatal(err)
	}
	if got := oci.Words(img.Reasons); len(got) != 1 || got[0] != "release 4.18.1 x86_64: etcd" {
		t.Errorf("words: %q", got)
	}
}

func TestReasonWithin(t *testing.T) {
	t.Parallel()
	whole := oci.Reason{Kind: "release", Name: "4.18.1 x86_64"}
	part := oci.Reason{Kind: "release", Name: "4.18.1 x86_64", Part: "etcd"}
	other := oci.Reason{Kind: "release", Name: "4.18.10 x86_64", Part: "etcd"}
	if !part.Within(whole) || !whole.Within(whole) || whole.Within(part) || other.Within(whole) {
		t.Error("Within is wrong")
	}
}
