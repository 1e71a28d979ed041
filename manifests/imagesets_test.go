package manifests_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
)

// imageSets has the example configurations, and what shows that each was read as
// its comment says.
var imageSets = map[string]func(m manifests.Mirror) bool{
	"release.yaml": func(m manifests.Mirror) bool {
		ch := m.Platform.Channels[0]
		return ch.MinVersion == "4.18.10" && ch.MinVersion == ch.MaxVersion && len(m.Operators) == 0
	},
	"update-path.yaml": func(m manifests.Mirror) bool {
		return m.Platform.Graph && m.Platform.Channels[0].ShortestPath
	},
	"multi-arch.yaml": func(m manifests.Mirror) bool {
		return slices.Equal(m.Platform.Architectures, []string{"amd64", "arm64"}) && len(m.Operators[0].Platforms) == 2 && len(m.AdditionalImages[0].Platforms) == 2
	},
	"operator-heads.yaml": func(m manifests.Mirror) bool {
		return len(m.Operators[0].Packages) == 4 && !m.Operators[0].Full && len(m.Operators[0].Packages[0].Channels) == 0
	},
	"operator-versions.yaml": func(m manifests.Mirror) bool {
		p := m.Operators[0].Packages
		return p[0].Channels[0].MaxVersion == "4.18.3-rhodf" && p[1].DefaultChannel == "stable-3.12" && p[2].MinVersion == "2.12.0"
	},
	"full-catalog.yaml": func(m manifests.Mirror) bool {
		return m.Operators[0].Full && m.Operators[0].TargetCatalog == "catalogs/certified" && m.Operators[0].TargetTag == "v4.18"
	},
	"catalog-directory.yaml": func(m manifests.Mirror) bool {
		return strings.HasPrefix(m.Operators[0].Catalog, "oci://") && m.Operators[0].TargetCatalogSourceTemplate != ""
	},
	"images.yaml": func(m manifests.Mirror) bool {
		return len(m.AdditionalImages) == 4 && m.AdditionalImages[1].TargetRepo == "base/ubi-minimal" && m.AdditionalImages[2].Name.Digest != ""
	},
	"charts.yaml": func(m manifests.Mirror) bool {
		return len(m.Helm.Repositories) == 2 && len(m.Helm.Repositories[1].Charts[0].ImagePaths) == 1 && m.Helm.Local[0].Path != ""
	},
	"okd.yaml": func(m manifests.Mirror) bool {
		return m.Platform.Graph && m.Platform.Channels[0].Type == "okd"
	},
	"virtualization.yaml": func(m manifests.Mirror) bool {
		return m.Platform.KubeVirtContainer && strings.Contains(m.Platform.Release, "@sha256:")
	},
	"blocked.yaml": func(m manifests.Mirror) bool {
		return len(m.BlockedImages) == 2 && strings.HasPrefix(m.BlockedImages[0].Name, `^registry\.redhat\.io/`)
	},
	"everything.yaml": func(m manifests.Mirror) bool {
		return len(m.Operators) == 2 && len(m.AdditionalImages) == 2 && len(m.Helm.Repositories) == 1 && len(m.BlockedImages) == 1 && m.Platform.Graph
	},
}

// files reads every YAML file of a directory, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s has no YAML: %v", dir, err)
	}
	all := map[string]string{}
	for _, name := range list {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(body)
	}
	return all
}

func TestImageSets(t *testing.T) {
	t.Parallel()
	all := files(t, "../testdata/imagesets")
	for name := range imageSets {
		if all[name] == "" {
			t.Errorf("%s is not there", name)
		}
	}
	for name, body := range all {
		lines := strings.SplitN(body, "\n", 3)
		if !strings.HasPrefix(lines[0], "# ") || !strings.HasPrefix(lines[1], "# ") {
			t.Errorf("%s does not begin with two lines on what it is for", name)
		}
		cfg, err := manifests.Parse(name, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ok := imageSets[name]; ok == nil || !ok(cfg.Mirror) {
			t.Errorf("%s is read as %+v", name, cfg.Mirror)
		}
	}
}

// TestWrongImageSets: the first line of each file has the message, from line and
// column on.
func TestWrongImageSets(t *testing.T) {
	t.Parallel()
	for name, body := range files(t, "../testdata/imagesets/wrong") {
		first, _, _ := strings.Cut(body, "\n")
		want, ok := strings.CutPrefix(first, "# ")
		_, err := manifests.Parse(name, []byte(body))
		if !ok || err == nil || !strings.HasPrefix(err.Error(), name+":"+want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
