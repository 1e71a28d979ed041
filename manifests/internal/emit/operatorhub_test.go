package emit

import (
	"strings"
	"testing"
)

// TestHub: which default catalogs a cluster has, and how they are turned off.
func TestHub(t *testing.T) {
	t.Parallel()
	hub := func(spec string) string {
		return `{"apiVersion":"config.openshift.io/v1","kind":"OperatorHub","metadata":{"name":"cluster"},"spec":{` + spec + `}}`
	}
	for name, c := range map[string]struct {
		runs, hub   string
		asked       []string
		lost, patch string
		step        bool
	}{
		"not known":         {"", "", nil, "certified-operators, community-operators, redhat-marketplace;", "spec:\n  disableAllDefaultSources: true\n", true},
		"4.21":              {"4.21.0", hub(""), nil, "certified-operators, community-operators, redhat-marketplace;", "spec:\n  disableAllDefaultSources: true\n", true},
		"4.22":              {"4.22.0", hub(""), nil, "certified-operators, community-operators;", "spec:\n  disableAllDefaultSources: true\n", true},
		"off":               {"4.16.0", hub(`"disableAllDefaultSources":true`), nil, "", "spec:\n  disableAllDefaultSources: true\n", false},
		"one kept on":       {"4.16.0", hub(`"disableAllDefaultSources":true,"sources":[{"name":"certified-operators","disabled":false},{"name":"redhat-operators","disabled":true}]`), nil, "", "spec:\n  disableAllDefaultSources: true\n  sources:\n  - disabled: true\n    name: certified-operators\n  - disabled: true\n    name: redhat-operators\n", true},
		"kept on, unsaid":   {"4.16.0", hub(`"disableAllDefaultSources":true,"sources":[{"name":"certified-operators"}]`), nil, "", "spec:\n  disableAllDefaultSources: true\n  sources:\n  - disabled: true\n    name: certified-operators\n", true},
		"OKD":               {"4.17.0-okd-scos.1", "", nil, "default catalogs community-operators;", "spec:\n  disableAllDefaultSources: true\n  sources:\n  - disabled: true\n    name: community-operators\n", true},
		"no marketplace":    {"4.16.0", "", []string{"OperatorHub"}, "", "", false},
		"only some are off": {"4.16.0", hub(`"sources":[{"name":"certified-operators","disabled":true}]`), nil, "", "spec:\n  disableAllDefaultSources: true\n", true},
	} {
		files, notes := pagesOf(t, emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.16")}, func(s *Site) {
			if c.runs == "" {
				return
			}
			var objects []string
			if c.hub != "" {
				objects = append(objects, c.hub)
			}
			s.Cluster = clusterOf(t, c.runs, c.asked, objects...)
		})
		if c.lost != "" && !strings.Contains(notes, c.lost) {
			t.Errorf("%s: notes %q, want %q", name, notes, c.lost)
		}
		if files[fileHubPatch] != c.patch {
			t.Errorf("%s: the patch is %q, want %q", name, files[fileHubPatch], c.patch)
		}
		if got := strings.Contains(files[fileApply], "oc patch operatorhub.config.openshift.io/cluster --type=merge --patch-file"); got != c.step {
			t.Errorf("%s: patched: %v, want %v", name, got, c.step)
		}
	}
}
