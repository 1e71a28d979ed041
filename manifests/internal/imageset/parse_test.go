package imageset

import (
	"errors"
	"strings"
	"testing"
)

const header = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\n"

// everything has each key of the schema.
const everything = header + `archiveSize: 4
mirror:
  platform:
    graph: true
    release: quay.io/openshift-release-dev/ocp-release:4.18.1-x86_64
    kubeVirtContainer: yes
    architectures: [amd64, multi]
    channels:
    - {name: stable-4.18, type: ocp, minVersion: 4.18.1, maxVersion: 4.18.9, shortestPath: true}
    - {name: stable-4.19, full: true}
  operators:
  - catalog: registry.redhat.io/redhat/redhat-operator-index:v4.18
    full: false
    targetCatalog: ops/index
    targetTag: v4.18-small
    targetCatalogSourceTemplate: /etc/template.yaml
    skipDependencies: true
    platforms: [{os: linux, architecture: amd64}]
    packages:
    - name: quay-operator
      defaultChannel: stable-3.12
      channels:
      - {name: stable-3.12, minVersion: 3.12.3, maxVersion: 3.12.4}
    - {name: odf-operator, minVersion: 4.15.0, maxVersion: 4.15.1}
  - catalog: oci:///var/lib/catalog
  additionalImages:
  - name: registry.redhat.io/ubi9/ubi:latest
    targetRepo: base/ubi
    targetTag: "9"
    platforms: [{os: linux, architecture: arm64}]
  helm:
    repositories:
    - name: podinfo
      url: https://charts.example.com/podinfo
      charts:
      - name: podinfo
        version: 5.0.0
        imagePaths: ["{.spec.template.spec.custom[*].image}"]
        platforms: [{os: linux, architecture: amd64}]
    local:
    - {name: mine, path: /srv/mine.tgz}
  blockedImages:
  - name: "(aws|gcp)"
  samples:
  - name: ruby
`

func TestParseWholeSchema(t *testing.T) {
	t.Parallel()
	c, err := Parse("isc.yaml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mirror
	for what, ok := range map[string]bool{
		"archiveSize":       c.ArchiveSize == 4,
		"graph":             m.Platform.Graph,
		"kubeVirtContainer": m.Platform.KubeVirtContainer,
		"release":           m.Platform.Release == "quay.io/openshift-release-dev/ocp-release:4.18.1-x86_64",
		"architectures":     len(m.Platform.Architectures) == 2 && m.Platform.Architectures[1] == "multi",
		"channels":          m.Platform.Channels[0] == ReleaseChannel{"stable-4.18", "ocp", "4.18.1", "4.18.9", true, false},
		"full channel":      m.Platform.Channels[1] == ReleaseChannel{Name: "stable-4.19", Full: true},
		"catalogs":          m.Operators[0].Catalog == "registry.redhat.io/redhat/redhat-operator-index:v4.18" && m.Operators[1].Catalog == "oci:///var/lib/catalog",
		"target catalog":    m.Operators[0].TargetCatalog == "ops/index" && m.Operators[0].TargetTag == "v4.18-small",
		"template":          m.Operators[0].TargetCatalogSourceTemplate == "/etc/template.yaml",
		"operator flags":    !m.Operators[0].Full && m.Operators[0].SkipDependencies,
		"operator platform": m.Operators[0].Platforms[0] == InstancePlatform{"linux", "amd64"},
		"packages":          m.Operators[0].Packages[0].Name == "quay-operator" && m.Operators[0].Packages[0].DefaultChannel == "stable-3.12",
		"package channel":   m.Operators[0].Packages[0].Channels[0] == PackageChannel{"stable-3.12", "3.12.3", "3.12.4"},
		"package range":     m.Operators[0].Packages[1].MinVersion == "4.15.0" && m.Operators[0].Packages[1].MaxVersion == "4.15.1",
		"image":             m.AdditionalImages[0].Name.String() == "registry.redhat.io/ubi9/ubi:latest",
		"image target":      m.AdditionalImages[0].TargetRepo == "base/ubi" && m.AdditionalImages[0].TargetTag == "9",
		"image platform":    m.AdditionalImages[0].Platforms[0] == InstancePlatform{"linux", "arm64"},
		"helm repository":   m.Helm.Repositories[0].Name == "podinfo" && m.Helm.Repositories[0].URL == "https://charts.example.com/podinfo",
		"chart":             m.Helm.Repositories[0].Charts[0].Name == "podinfo" && m.Helm.Repositories[0].Charts[0].Version == "5.0.0",
		"chart images":      m.Helm.Repositories[0].Charts[0].ImagePaths[0] == "{.spec.template.spec.custom[*].image}",
		"chart platform":    m.Helm.Repositories[0].Charts[0].Platforms[0].Architecture == "amd64",
		"local chart":       m.Helm.Local[0].Name == "mine" && m.Helm.Local[0].Path == "/srv/mine.tgz",
		"blocked":           m.BlockedImages[0].Name == "(aws|gcp)",
		"samples":           m.Samples[0].Name == "ruby",
	} {
		if !ok {
			t.Errorf("%s: read wrong: %+v", what, c)
		}
	}
}

var parseErrors = []struct{ name, in, want string }{
	{"empty", "", "f.yaml:1:1: the file is empty"},
	{"comments only", "# nothing\n---\n", "f.yaml:1:1: the file is empty"},
	{"list", "- a\n", "f.yaml:1:1: the file must be a mapping of keys to values, not a list"},
	{"word", "hello\n", `f.yaml:1:1: the file must be a mapping of keys to values, not the string "hello"`},
	{"two documents", header + "mirror: {}\n---\n" + header, "f.yaml:4:1: a second document starts here; one file holds one configuration"},
	{"malformed", header + "mirror:\n  additionalImages:\n  - name: a\n   - name: b\n", "f.yaml:6:4: not valid YAML here or just above: did not find expected key"},
	{"open quote", header + "mirror:\n  \"platform: {}\n", "f.yaml:4:3: not valid YAML here or just above: found unexpected end of stream"},
	{"tab", header + "mirror:\n\tplatform: {}\n", "f.yaml:4:2: there is a tab before this; YAML is indented with spaces alone"},
	{"latin-1", header + "# caf\xe9\n", "f.yaml:3:6: this is not UTF-8 text"},

	{"no kind", "apiVersion: mirror.openshift.io/v2alpha1\nmirror: {}\n", "f.yaml:1:1: kind is missing; it must be ImageSetConfiguration"},
	{"other kind", "apiVersion: v1\nkind: Pod\nspec: {}\n", `f.yaml:2:7: kind is "Pod"; it must be ImageSetConfiguration`},
	{"delete", "kind: DeleteImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\ndelete: {}\n",
		"f.yaml:1:7: a DeleteImageSetConfiguration says what to delete from a mirror; only an ImageSetConfiguration can be packed"},
	{"no apiVersion", "kind: ImageSetConfiguration\nmirror: {}\n", "f.yaml:1:1: apiVersion is missing; it must be mirror.openshift.io/v2alpha1"},
	{"v1", "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v1alpha2\nstorageConfig: {}\nmirror: {}\n",
		"f.yaml:2:13: apiVersion mirror.openshift.io/v1alpha2 is the format of oc-mirror v1; satchel reads that of v2, mirror.openshift.io/v2alpha1\n" +
			"f.yaml:3:1: in v2alpha1, storageConfig is left out: oc-mirror v1 kept its state there; satchel keeps its own"},
	{"other version", "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v3\nmirror: {}\n", `f.yaml:2:13: apiVersion is "mirror.openshift.io/v3"; it must be mirror.openshift.io/v2alpha1`},
	{"kind of wrong type", "kind: [a]\n", "f.yaml:1:7: kind must be a string, not a list"},
	{"no mirror", header, "f.yaml:1:1: mirror is missing; it says what to carry"},

	{"unknown key", header + "mirror:\n  additionalImage:\n  - name: a.io/b:c\n", `f.yaml:4:3: unknown key "additionalImage" in mirror; did you mean "additionalImages"?`},
	{"unknown key in a list", header + "mirror:\n  additionalImages:\n  - nmae: a.io/b:c\n    name: a.io/b:c\n", `f.yaml:5:5: unknown key "nmae" in mirror.additionalImages[0]; did you mean "name"?`},
	{"not indented", header + "mirror:\nadditionalImages:\n- name: a.io/b:c\n", `f.yaml:4:1: unknown key "additionalImages" at the top level; it belongs in mirror`},
	{"v1 key", header + "storageConfig: {local: {path: /tmp}}\nmirror: {}\n", `f.yaml:3:1: unknown key "storageConfig" at the top level`},
	{"far from all", header + "mirror: {frobnicate: 1}\n", `f.yaml:3:10: unknown key "frobnicate" in mirror`},
	{"twice", header + "mirror:\n  helm: {}\n  helm: {}\n", `f.yaml:5:3: key "helm" in mirror is there twice; the first is on line 4`},
	{"twice in another case", header + "mirror:\n  blockedImages: []\n  blockedimages: []\n", `f.yaml:5:3: key "blockedimages" in mirror is there twice; the first is on line 4`},
	{"string for list", header + "mirror: {additionalImages: a.io/b:c}\n", `f.yaml:3:28: mirror.additionalImages must be a list, not the string "a.io/b:c"`},
	{"string for mapping", header + "mirror:\n  additionalImages:\n  - a.io/b:c\n", `f.yaml:5:5: mirror.additionalImages[0] must be a mapping of keys to values, not the string "a.io/b:c"`},
	{"list for mapping", header + "mirror: []\n", "f.yaml:3:9: mirror must be a mapping of keys to values, not a list"},
	{"list for string", header + "mirror: {platform: {release: [a]}}\n", "f.yaml:3:30: mirror.platform.release must be a string, not a list"},
	{"number for string", header + "mirror: {platform: {channels: [{name: a, minVersion: 4.18}]}}\n", "f.yaml:3:54: mirror.platform.channels[0].minVersion must be a string, not the number 4.18; write it in quotes"},
	{"string for bool", header + "mirror: {platform: {graph: \"yes\"}}\n", `f.yaml:3:28: mirror.platform.graph wants true or false, not the string "yes"`},
	{"number for bool", header + "mirror: {platform: {graph: 1}}\n", "f.yaml:3:28: mirror.platform.graph wants true or false, not the number 1"},
	{"string for number", header + "archiveSize: 4GiB\nmirror: {}\n", `f.yaml:3:14: archiveSize must be a whole number, not the string "4GiB"`},
	{"fraction", header + "archiveSize: 1.5\nmirror: {}\n", "f.yaml:3:14: archiveSize must be a whole number, not the number 1.5"},
	{"beyond int64", header + "archiveSize: 18446744073709551615\nmirror: {}\n", "f.yaml:3:14: archiveSize must be a whole number, not the number 18446744073709551615"},

	{"negative size", header + "archiveSize: -1\nmirror: {}\n", "f.yaml:3:14: archiveSize is -1; it is a size in GiB"},
	{"size beyond bytes", header + "archiveSize: 8589934592\nmirror: {}\n", "f.yaml:3:14: archiveSize is 8589934592; it is a size in GiB"},
	{"short name", header + "mirror:\n  additionalImages:\n  - name: ubi9:latest\n", `f.yaml:5:11: mirror.additionalImages[0].name: image reference "ubi9:latest" has no registry host; did you mean "docker.io/library/ubi9:latest"?`},
	{"no tag", header + "mirror:\n  additionalImages:\n  - name: quay.io/a/b\n", `f.yaml:5:11: mirror.additionalImages[0].name: image reference "quay.io/a/b" has neither a tag nor a digest`},
	{"no name", header + "mirror:\n  additionalImages:\n  - targetTag: x\n", "f.yaml:5:5: mirror.additionalImages[0].name is missing"},
	{"null name", header + "mirror:\n  additionalImages:\n  - name:\n", "f.yaml:5:10: mirror.additionalImages[0].name is missing"},
	{"target with registry", header + "mirror:\n  additionalImages:\n  - name: a.io/b:c\n    targetRepo: host:5000/x\n",
		`f.yaml:6:17: mirror.additionalImages[0].targetRepo is "host:5000/x"; it must be a path such as ns/name, without registry, tag and digest`},
	{"target tag", header + "mirror:\n  additionalImages:\n  - {name: a.io/b:c, targetTag: -x}\n", `f.yaml:5:33: mirror.additionalImages[0].targetTag is "-x", which is not a tag`},
	{"half a platform", header + "mirror:\n  additionalImages:\n  - {name: a.io/b:c, platforms: [{os: linux}]}\n", "f.yaml:5:34: mirror.additionalImages[0].platforms[0].architecture is missing"},
	{"no platform", header + "mirror:\n  additionalImages:\n  - {name: a.io/b:c, platforms: [{os: Linux, architecture: linux/amd64}]}\n",
		"f.yaml:5:39: mirror.additionalImages[0].platforms[0].os is \"Linux\"; a platform is written as os: linux and architecture: amd64\nf.yaml:5:60: mirror.additionalImages[0].platforms[0].architecture is \"linux/amd64\"; a platform is written as os: linux and architecture: amd64"},
	{"half a chart platform", header + "mirror: {helm: {local: [{name: a, platforms: [{architecture: arm64}]}]}}\n", "f.yaml:3:47: mirror.helm.local[0].platforms[0].os is missing"},
	{"half a repository chart platform", header + "mirror: {helm: {repositories: [{charts: [{platforms: [{os: linux}]}]}]}}\n", "f.yaml:3:55: mirror.helm.repositories[0].charts[0].platforms[0].architecture is missing"},
	{"both platforms", header + "mirror:\n  platform:\n    architectures: [amd64]\n    platforms: [{os: linux, architecture: arm64}]\n", "f.yaml:5:20: mirror.platform has both architectures and platforms; use one of them"},
	{"architecture", header + "mirror: {platform: {architectures: [x86_64]}}\n", `f.yaml:3:37: mirror.platform.architectures[0] is "x86_64"; it must be one of amd64, arm64, ppc64le, s390x, multi`},
	{"release channel twice", header + "mirror: {platform: {channels: [{name: a},\n {name: a}]}}\n", `f.yaml:4:9: mirror.platform.channels[1].name repeats "a" of line 3`},
	{"release channel nameless", header + "mirror: {platform: {channels: [{full: true}]}}\n", "f.yaml:3:32: mirror.platform.channels[0].name is missing"},
	{"release type", header + "mirror: {platform: {channels: [{name: a, type: ocd}]}}\n", `f.yaml:3:48: mirror.platform.channels[0].type is "ocd"; it must be one of ocp, okd`},
	{"catalog twice", header + "mirror:\n  operators:\n  - catalog: a.io/b:c\n  - catalog: a.io/b:c\n", `f.yaml:6:14: mirror.operators[1].catalog repeats "a.io/b:c" of line 5`},
	{"catalogs to one place", header + "mirror:\n  operators:\n  - catalog: a.io/b:c\n  - catalog: a.io/d@sha256:1\n    targetCatalog: b\n    targetTag: c\n", `f.yaml:6:14: mirror.operators[1].catalog repeats "a.io/b:c" of line 5`},
	{"no catalog", header + "mirror: {operators: [{full: true}]}\n", "f.yaml:3:22: mirror.operators[0].catalog is missing"},
	{"target catalog", header + "mirror: {operators: [{catalog: a.io/b:c, targetCatalog: B/c}]}\n", `f.yaml:3:57: mirror.operators[0].targetCatalog is "B/c"; it must be a path such as ns/name, without registry, tag and digest`},
	{"package twice", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x}, {name: x}]}]}\n", `f.yaml:3:71: mirror.operators[0].packages[1].name repeats "x" of line 3`},
	{"package nameless", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{minVersion: 1.0.0}]}]}\n", "f.yaml:3:53: mirror.operators[0].packages[0].name is missing"},
	{"channel twice", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x, channels: [{name: s}, {name: s}]}]}]}\n", `f.yaml:3:92: mirror.operators[0].packages[0].channels[1].name repeats "s" of line 3`},
	{"channel nameless", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x, channels: [{}]}]}]}\n", "f.yaml:3:74: mirror.operators[0].packages[0].channels[0].name is missing"},
	{"two ranges", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x, minVersion: 1.0.0, channels: [{name: s, maxVersion: 2.0.0}]}]}]}\n", "f.yaml:3:93: mirror.operators[0].packages[0].channels[0] and its package both have a version range; use one of them"},
	{"no version", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x, minVersion: one}, {name: y, channels: [{name: s, minVersion: 1.0.0, maxVersion: 2.x}]}]}]}\n", `f.yaml:3:75: mirror.operators[0].packages[0]: minVersion "one" is not a version such as 4.15.0
f.yaml:3:143: mirror.operators[0].packages[1].channels[0]: maxVersion "2.x" is not a version such as 4.15.0`},
	{"range upside down", header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x, minVersion: 1.0.1, maxVersion: 1.0.0}]}]}\n", "f.yaml:3:94: mirror.operators[0].packages[0]: minVersion 1.0.1 is higher than maxVersion 1.0.0"},
	{"full and ranges", header + "mirror: {operators: [{catalog: a.io/b:c, full: true, packages: [{name: x, minVersion: 1.0.0}, {name: y, channels: [{name: s, maxVersion: 1.0.0}]}]}]}\n", `f.yaml:3:65: mirror.operators[0].packages[0] has a version range, and its catalog has full: true, which takes every version; use one of them
f.yaml:3:116: mirror.operators[0].packages[1].channels[0] has a version range, and its catalog has full: true, which takes every version; use one of them`},
	{"bad pattern", header + "mirror:\n  blockedImages:\n  - name: (aws\n", "f.yaml:5:11: mirror.blockedImages[0].name is not a regular expression: error parsing regexp: missing closing ): `(aws`"},
	{"empty pattern", header + "mirror:\n  blockedImages:\n  - name: \"\"\n", "f.yaml:5:11: mirror.blockedImages[0].name is missing"},

	{"several, in order", header + "mirror:\n  helms: {}\n  platform: []\narchivesize: x\n", `f.yaml:4:3: unknown key "helms" in mirror; did you mean "helm"?
f.yaml:5:13: mirror.platform must be a mapping of keys to values, not a list
f.yaml:6:14: archiveSize must be a whole number, not the string "x"`},
	{"several of meaning", header + "mirror:\n  blockedImages: [{name: (}]\n  operators: [{}]\narchiveSize: -4\n", "f.yaml:4:26: mirror.blockedImages[0].name is not a regular expression: error parsing regexp: missing closing ): `(`\n" +
		"f.yaml:5:15: mirror.operators[0].catalog is missing\nf.yaml:6:14: archiveSize is -4; it is a size in GiB"},
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range parseErrors {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse("f.yaml", []byte(tc.in))
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if err.Error() != tc.want {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
			var ce *ConfigError
			if !errors.As(err, &ce) || ce.File != "f.yaml" {
				t.Errorf("%#v is no ConfigError of f.yaml", err)
			}
		})
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		header + "storageConfig: {}\nmirror: {}\n":                                                           hints["storageconfig"],
		header + "mirror: {operators: [{catalog: a.io/b:c, targetName: x}]}\n":                               hints["targetname"],
		header + "mirror: {operators: [{catalog: a.io/b:c, packages: [{name: x, bundles: [{name: y}]}]}]}\n": hints["bundles"],
	} {
		_, err := Parse("f.yaml", []byte(in))
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Hint() == "" || ce.Hint() != want {
			t.Errorf("%s\ngot %v, hint %+v", in, err, ce)
		}
		if ce != nil && strings.Contains(ce.Error(), ce.Hint()) {
			t.Errorf("the message repeats the hint: %s", ce)
		}
	}
}
