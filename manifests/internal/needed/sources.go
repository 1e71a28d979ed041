package needed

import (
	"encoding/json"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
)

// sources says what the repositories of a mirror stand for.
type sources []mirrored

type mirrored struct{ mirror, source string }

// ruleKinds are the objects that have rules, and where in them (openshift/api).
var ruleKinds = []struct{ kind, field string }{
	{"ImageContentSourcePolicy", "repositoryDigestMirrors"},
	{"ImageDigestMirrorSet", "imageDigestMirrors"},
	{"ImageTagMirrorSet", "imageTagMirrors"},
}

// sourcesOf reads the rules of a cluster.
func sourcesOf(s *cluster.State) (list sources) {
	for _, k := range ruleKinds {
		for _, o := range s.Of(k.kind) {
			var body struct {
				Spec map[string]json.RawMessage `json:"spec"`
			}
			var rules []struct {
				Source  string   `json:"source"`
				Mirrors []string `json:"mirrors"`
			}
			if json.Unmarshal(o.Body, &body) != nil || json.Unmarshal(body.Spec[k.field], &rules) != nil {
				continue
			}
			for _, r := range rules {
				for _, m := range r.Mirrors {
					list = append(list, mirrored{m, r.Source})
				}
			}
		}
	}
	return list
}

// back takes the name of an image in a mirror back to its source; any other name stays.
func (list sources) back(name string) string {
	repo, rest := name, ""
	if i := strings.IndexByte(repo, '@'); i >= 0 {
		repo, rest = repo[:i], repo[i:]
	}
	if i := strings.LastIndexByte(repo, ':'); i > strings.LastIndexByte(repo, '/') {
		repo, rest = repo[:i], repo[i:]+rest
	}
	best := mirrored{}
	for _, m := range list {
		if (repo == m.mirror || strings.HasPrefix(repo, m.mirror+"/")) && len(m.mirror) > len(best.mirror) && !strings.Contains(m.source, "*") {
			best = m
		}
	}
	if best.mirror == "" {
		return name
	}
	return best.source + strings.TrimPrefix(repo, best.mirror) + rest
}

// isMirror reports whether some rule leads to a registry.
func (list sources) isMirror(registry string) bool {
	for _, m := range list {
		if host, _, _ := strings.Cut(m.mirror, "/"); host == registry {
			return true
		}
	}
	return false
}
