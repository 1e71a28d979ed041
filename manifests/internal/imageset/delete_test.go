package imageset

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const deleteHead = "kind: DeleteImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\n"

// TestParseDelete refuses what is no delete configuration, at the place of the fault.
func TestParseDelete(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"right":               {deleteHead + "delete:\n  platform:\n    channels:\n    - name: stable-4.16\n      maxVersion: 4.16.3\n  operators:\n  - catalog: docker://r.io/redhat/index:v4.16\n    packages: [{name: a}]\n  additionalimages:\n  - name: q.io/a/b:v1\n  helm: {local: [{name: c, version: 1.0.0}]}\n", ""},
		"what is carried":     {"kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror: {}\n", "d.yaml:1:7: an ImageSetConfiguration says what to carry to a mirror; only a DeleteImageSetConfiguration says what goes from it"},
		"no kind":             {"apiVersion: mirror.openshift.io/v2alpha1\n", "kind is missing; it must be DeleteImageSetConfiguration"},
		"of oc-mirror v1":     {"kind: DeleteImageSetConfiguration\napiVersion: mirror.openshift.io/v1alpha2\ndelete: {}\n", "d.yaml:2:13: apiVersion mirror.openshift.io/v1alpha2 is the format of oc-mirror v1"},
		"no delete":           {deleteHead, "delete is missing"},
		"empty":               {deleteHead + "delete: {}\n", "there is nothing to delete"},
		"a section of others": {deleteHead + "delete:\n  blockedImages: [{name: a}]\n", "d.yaml:4:3: unknown"},
		"mirror":              {deleteHead + "delete: {platform: {graph: true}}\nmirror: {}\n", "d.yaml:4:1: unknown"},
		"samples":             {deleteHead + "delete:\n  samples: [{name: a}]\n", "d.yaml:4:3: delete.samples: oc-mirror reads it and deletes nothing for it"},
		"a channel's version": {deleteHead + "delete:\n  platform: {channels: [{name: stable-4.16, minVersion: new}]}\n", `delete.platform.channels[0].minVersion is "new"`},
		"a package twice":     {deleteHead + "delete:\n  operators: [{catalog: 'r.io/a:v1', packages: [{name: a}, {name: a}]}]\n", `delete.operators[0].packages[1].name repeats "a"`},
		"a short name":        {deleteHead + "delete:\n  additionalImages: [{name: ubi}]\n", "d.yaml:4:"},
		"a catalog's name":    {deleteHead + "delete:\n  operators: [{catalog: 'r.io/a'}]\n", "delete.operators[0].catalog: "},
	} {
		d, err := ParseDelete("d.yaml", []byte(tc.in))
		var wrong *ConfigError
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.want != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		case tc.want == "" && (d.Delete.Operators[0].Catalog != "r.io/redhat/index:v4.16" || len(d.Delete.AdditionalImages) != 1):
			t.Errorf("%s: %+v", name, d.Delete)
		}
	}
	_, err := Parse("d.yaml", []byte(deleteHead+"delete: {platform: {graph: true}}\n"))
	if err == nil || !strings.Contains(err.Error(), "only an ImageSetConfiguration can be packed") {
		t.Errorf("packed: %v", err)
	}
}

// TestParseDeleteReal reads the file that oc-mirror's own tests have.
func TestParseDeleteReal(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("../../../../shared/data/peer-inputs/imagesetconfigs/signatures/disc-signatures.yaml"))
	if err != nil {
		t.Skip("shared data is not here")
	}
	d, err := ParseDelete("disc.yaml", body)
	if err != nil || d.Delete.Platform.Release == "" || len(d.Delete.Operators) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestTakes: releases are chosen by version, where that is what a channel is known by.
func TestTakes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pf        Platform
		tag       string
		want      bool
		wantDoubt bool
	}{
		"between":        {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MinVersion: "4.15.9", MaxVersion: "4.16.3"}}}, "4.15.20-x86_64", true, false},
		"above":          {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MinVersion: "4.15.9", MaxVersion: "4.16.3"}}}, "4.16.4-x86_64", false, false},
		"from":           {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MinVersion: "4.15.9"}}}, "4.16.4-x86_64", true, false},
		"newer minor":    {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MinVersion: "4.15.9"}}}, "4.17.4-x86_64", false, false},
		"up to":          {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MaxVersion: "4.16.3"}}}, "4.15.3-x86_64", false, false},
		"full":           {Platform{Channels: []ReleaseChannel{{Name: "eus-4.16", Full: true}}}, "4.16.3-x86_64", true, false},
		"the newest":     {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16"}}}, "4.16.3-x86_64", false, true},
		"next major":     {Platform{Channels: []ReleaseChannel{{Name: "stable-5.0", MinVersion: "4.22.5"}}}, "4.22.9-x86_64", true, false},
		"OKD":            {Platform{Channels: []ReleaseChannel{{Name: "4-stable", Type: "okd", MinVersion: "4.18.0-okd-scos.1"}}}, "4.18.0-okd-scos.8-x86_64", true, false},
		"no OKD":         {Platform{Channels: []ReleaseChannel{{Name: "stable-4.18", Full: true}}}, "4.18.0-okd-scos.8-x86_64", false, false},
		"arm":            {Platform{Architectures: []string{"arm64"}, Channels: []ReleaseChannel{{Name: "stable-4.16", Full: true}}}, "4.16.3-aarch64", true, false},
		"several":        {Platform{Platforms: []InstancePlatform{{"linux", "amd64"}}, Channels: []ReleaseChannel{{Name: "stable-4.16", Full: true}}}, "4.16.3-multi", true, false},
		"no such tag":    {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", Full: true}}}, "latest", false, false},
		"the short way":  {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MinVersion: "4.16.1", MaxVersion: "4.16.9", ShortestPath: true}}}, "4.16.5-x86_64", false, true},
		"its last":       {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", MinVersion: "4.16.1", MaxVersion: "4.16.9", ShortestPath: true}}}, "4.16.9-x86_64", true, true},
		"a build's plus": {Platform{Channels: []ReleaseChannel{{Name: "stable-4.16", Full: true}}}, "4.16.3_1-x86_64", true, false},
	} {
		if got := tc.pf.Takes(tc.tag); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
		if got := tc.pf.Channels[0].Doubt(); (got != "") != tc.wantDoubt {
			t.Errorf("%s: doubt %q", name, got)
		}
	}
}
