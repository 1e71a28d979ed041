package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openshift/api/operator/v1alpha1"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// checkEmitted compares the registries.conf that comes with a cluster's YAML with
// what a node gets of the policies in it.
func checkEmitted(t *testing.T, images []oci.Image) {
	t.Helper()
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := manifests.Emit(&oci.Inventory{Images: images}, manifests.Site{Mirror: mirror})
	if err != nil {
		t.Fatal(err)
	}
	var rules []*v1alpha1.ImageContentSourcePolicy
	var got []byte
	for _, f := range files {
		if f.Name == "registries.conf" {
			got = f.Body
		}
		if strings.HasPrefix(f.Name, "icsp-") {
			p, err := policy(f.Body)
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			rules = append(rules, p)
		}
	}
	want, err := registriesConf(nil, nil, rules)
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) == 0 || !bytes.Equal(got, want) {
		t.Errorf("%d policies: registries.conf is\n%.2000s\nand a node has\n%.2000s", len(rules), got, want)
	}
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
		checkEmitted(t, images)
	}
}

// TestManyRules takes rules that do not fit into one object.
func TestManyRules(t *testing.T) {
	t.Parallel()
	var images []oci.Image
	for i := range 5000 {
		origin := []oci.Origin{origin.Operator, origin.Additional}[i%2]
		images = append(images, image(t, origin, fmt.Sprintf("registry.example/%s/image-%05d@sha256:%064d", strings.Repeat("p", i%90+1), i, i), ""))
	}
	checkEmitted(t, images)
}
