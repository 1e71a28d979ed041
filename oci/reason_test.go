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

// TestReasonsOfOlderBundles: bundles without typed reasons have their words, which say the same.
func TestReasonsOfOlderBundles(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]oci.Reason{
		"release 4.18.1 x86_64: etcd":  {Kind: "release", Name: "4.18.1 x86_64", Part: "etcd"},
		"operator acme 1.2.3: bundle":  {Kind: "operator", Name: "acme 1.2.3", Part: "bundle"},
		"catalog ./dir: of mine":       {Kind: "catalog", Name: "./dir", Part: "of mine"},
		"catalog":                      {Kind: "catalog"},
		"platform.release":             {Kind: "platform.release"},
		"attached to q.example/b:v1":   {Kind: oci.ReasonAttached, Name: "q.example/b:v1"},
		"signatures of q.example/b:v1": {Kind: oci.ReasonSignatures, Name: "q.example/b:v1"},
		"with linux/arm64, as its repository gets that for a:v1": {Kind: oci.ReasonPlatforms, Name: "linux/arm64", Part: "a:v1"},
		"with nothing else": {Name: "with nothing else"},
		"4 words: no kind":  {Name: "4 words: no kind"},
		"trailing: ":        {Name: "trailing: "},
		"":                  {},
	} {
		body, err := json.Marshal(map[string]any{"origin": "release", "why": []string{words}})
		if err != nil {
			t.Fatal(err)
		}
		var img oci.Image
		var gap oci.Gap
		if err := errors.Join(json.Unmarshal(body, &img), json.Unmarshal(body, &gap)); err != nil {
			t.Fatal(err)
		}
		for _, got := range [][]oci.Reason{img.Reasons, gap.Image.Reasons} {
			if len(got) != 1 || got[0] != want || got[0].String() != words {
				t.Errorf("%q: %+v, want %+v", words, got, want)
			}
		}
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
