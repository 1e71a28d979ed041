package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// checkEmitted compares the registries.conf that comes with a cluster's YAML with
// what a node gets of the policies in it.
func checkEmitted(t *testing.T, images []oci.Image, names ...string) {
	t.Helper()
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		t.Fatal(err)
	}
	for name, site := range map[string]manifests.Site{
		"icsp": {Mirror: mirror}, "idms": {Mirror: mirror, MirrorAPI: manifests.MirrorIDMS},
		"never":   {Mirror: mirror, MirrorAPI: manifests.MirrorIDMS, SourcePolicy: manifests.SourceNever, PresentRules: &manifests.PresentRules{}},
		"present": {Mirror: mirror, MirrorAPI: manifests.MirrorIDMS, PresentRules: present(t)},
	} {
		if !slices.Contains(names, name) {
			continue
		}
		files, _, err := manifests.Emit(&oci.Inventory{Images: images}, site)
		if err != nil {
			t.Fatal(err)
		}
		var all objects
		var got []byte
		sets := map[string]bool{}
		for _, f := range files {
			if f.Name == "registries.conf" {
				got = f.Body
			}
			if kind, _, ok := strings.Cut(f.Name, "-"); ok && (kind == "icsp" || kind == "idms" || kind == "itms") {
				sets[kind] = true
				if err := all.add(f.Body); err != nil {
					t.Fatalf("%s: %v", f.Name, err)
				}
			}
		}
		if site.PresentRules != nil {
			if err := all.add([]byte(others)); err != nil && name == "present" {
				t.Fatal(err)
			}
			if name == "never" {
				all.icsps = nil
			}
		} else { // those for tags are a step of their own
			all.itms = nil
		}
		want, err := confOf(nil, nil, all.icsps, all.idms, all.itms)
		if err != nil {
			t.Fatal(err)
		}
		if len(sets) == 0 || sets["icsp"] != (name == "icsp") || !bytes.Equal(got, want) {
			t.Errorf("%s, %v: registries.conf is\n%.2000s\nand a node has\n%.2000s", name, sets, got, want)
		}
	}
}

// others is an object that a cluster has beside those of satchel.
const others = `apiVersion: operator.openshift.io/v1alpha1
kind: ImageContentSourcePolicy
metadata: {name: corp}
spec: {repositoryDigestMirrors: [{source: registry.example, mirrors: [cache.example/r]}, {source: quay.io/openshift-release-dev, mirrors: [cache.example/o]}]}
`

func present(t *testing.T) *manifests.PresentRules {
	t.Helper()
	p, err := manifests.ParsePresentRules("others", []byte(others))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPayloads takes the components of real payloads.
func TestPayloads(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"ocp-4.12.0-x86_64": 183, "ocp-4.10": 146} {
		body, err := os.ReadFile(filepath.Join("../../../shared/data/release", name, "image-references"))
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("the shared test data is not beside the checkout")
		} else if err != nil {
			t.Fatal(err)
		}
		var stream struct {
			Spec struct {
				Tags []struct {
					Name string `json:"name"`
					From struct {
						Name string `json:"name"`
					} `json:"from"`
				} `json:"tags"`
			} `json:"spec"`
		}
		if err := json.Unmarshal(body, &stream); err != nil {
			t.Fatal(err)
		}
		var images []oci.Image
		for _, tag := range stream.Spec.Tags {
			images = append(images, image(t, origin.Release, tag.From.Name, "openshift/release"))
		}
		if len(images) != count {
			t.Errorf("%s has %d components, want %d", name, len(images), count)
		}
		checkEmitted(t, images, "icsp", "idms", "never", "present")
	}
}

// TestManyRules takes rules that do not fit into one object.
func TestManyRules(t *testing.T) {
	t.Parallel()
	var images []oci.Image
	for i := range 3000 {
		origin := []oci.Origin{origin.Operator, origin.Additional}[i%2]
		images = append(images, image(t, origin, fmt.Sprintf("registry.example/%s/image-%05d@sha256:%064d", strings.Repeat("p", i%90+1), i, i), ""))
	}
	checkEmitted(t, images, "icsp", "never")
}
