package site

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

// PresentRules are the objects with rules that a cluster has now.
type PresentRules struct{ Objects []rules.Object }

// Mirrors lists where the rules lead pulls by digest from a source repository, each once, in the
// order of the objects.
func (r *PresentRules) Mirrors(source string) (list []string) {
	for _, o := range r.Objects {
		for _, rule := range o.Rules {
			for _, m := range rule.Mirrors {
				if rule.Source == source && o.Digests() && !slices.Contains(list, m) {
					list = append(list, m)
				}
			}
		}
	}
	return list
}

// presentObject is what of an object with rules matters here.
type presentObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string `json:"name"`
		Annotations struct {
			CreatedBy string `json:"createdBy"`
		} `json:"annotations"`
		Labels struct {
			Catalog string `json:"operators.openshift.org/catalog"`
		} `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Content []presentRule `json:"repositoryDigestMirrors"`
		Digests []presentRule `json:"imageDigestMirrors"`
		Tags    []presentRule `json:"imageTagMirrors"`
	} `json:"spec"`
}

type presentRule struct {
	Source  string   `json:"source"`
	Mirrors []string `json:"mirrors"`
	Policy  string   `json:"mirrorSourcePolicy"`
}

// presentList is an object, or a list of some.
type presentList struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Items      []presentObject `json:"items"`
}

// ParsePresentRules reads what "oc get icsp,idms,itms -o yaml" (or json) prints: a list, an
// object, or several documents of these. Errors are *[imageset.ConfigError]s without what the
// file says.
func ParsePresentRules(file string, data []byte) (*PresentRules, error) {
	present := &PresentRules{}
	err := eachDocument(file, data, func(doc *strict.Document) error { return present.document(file, doc) })
	if err == nil {
		err = present.twice(file)
	}
	if err != nil {
		return nil, err
	}
	return present, nil
}

// PresentRulesOf gives the rules of a cluster whose objects are known; nil if they are not.
func PresentRulesOf(state *cluster.State) (*PresentRules, error) {
	v, known := state.Running()
	asked := state.Known(string(rules.ContentSource))
	if !known || HasMirrorSets(v) {
		asked = asked && state.Known(string(rules.DigestMirrors)) && state.Known(string(rules.TagMirrors))
	}
	if !asked {
		return nil, nil
	}
	list := struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}{Kind: "List"}
	for _, kind := range []rules.Kind{rules.ContentSource, rules.DigestMirrors, rules.TagMirrors} {
		for _, o := range state.Of(string(kind)) {
			list.Items = append(list.Items, o.Body)
		}
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return ParsePresentRules(state.Name, body)
}

// document adds what one document has.
func (r *PresentRules) document(file string, doc *strict.Document) error {
	var list presentList
	p, err := peekIn(file, doc, &list)
	if err != nil {
		return err
	}
	if strings.HasSuffix(list.Kind, "List") {
		for i, o := range list.Items {
			r.object(p, fmt.Sprintf("items[%d].", i), o)
		}
		return p.Join()
	}
	var one presentObject
	if p, err = peekIn(file, doc, &one); err != nil {
		return err
	}
	r.object(p, "", one)
	return p.Join()
}

// mirrorPattern is where a rule may lead: HOST[:PORT][/PATH].
var mirrorPattern = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$`)

// object adds one object, at a path in the file.
func (r *PresentRules) object(p *imageset.Problems, path string, in presentObject) {
	o := rules.Object{Kind: rules.Kind(in.Kind), Name: in.Metadata.Name, Group: rules.Generic}
	group, field, list := "config.openshift.io/", "imageDigestMirrors", in.Spec.Digests
	switch o.Kind {
	case rules.ContentSource:
		group, field, list = "operator.openshift.io/", "repositoryDigestMirrors", in.Spec.Content
	case rules.TagMirrors:
		field, list = "imageTagMirrors", in.Spec.Tags
	case rules.DigestMirrors:
	default:
		p.Add(path+"kind", "this is neither ImageContentSourcePolicy nor ImageDigestMirrorSet nor ImageTagMirrorSet")
		return
	}
	if !strings.HasPrefix(in.APIVersion, group) {
		p.Add(path+"apiVersion", "%sapiVersion is not of %s", path, strings.TrimSuffix(group, "/"))
	}
	if len(o.Name) > 253 || !namePattern.MatchString(o.Name) {
		p.Add(path+"metadata.name", "%smetadata.name is not the name of an object", path)
	}
	for i, rule := range list {
		at := fmt.Sprintf("%sspec.%s[%d]", path, field, i)
		if !scopePattern().MatchString(rule.Source) {
			p.Add(at+".source", "%s.source is neither HOST[:PORT][/PATH] nor *.DOMAIN", at)
		}
		for k, m := range rule.Mirrors {
			if !mirrorPattern.MatchString(m) {
				p.Add(fmt.Sprintf("%s.mirrors[%d]", at, k), "%s.mirrors[%d] is not HOST[:PORT][/PATH]", at, k)
			}
		}
		if rule.Policy == "NeverContactSource" {
			o.Never = append(o.Never, rule.Source)
		}
		o.Rules = append(o.Rules, rules.Rule{Source: rule.Source, Mirrors: rule.Mirrors})
	}
	catalog := in.Metadata.Labels.Catalog == "true"
	o.Tool = toolOf(o, in.Metadata.Annotations.CreatedBy, catalog)
	if named := rules.GroupNamed(o.Name); named != "" {
		o.Group = named
	} else if catalog {
		o.Group = rules.Operator
	}
	r.Objects = append(r.Objects, o)
}

// installed are the names of what openshift-install makes of install-config's mirrors.
var installed = regexp.MustCompile(`^(image-policy-[0-9]+|image-digest-mirror)$`)

// toolOf says which tool wrote an object, by what that tool calls it.
func toolOf(o rules.Object, createdBy string, catalog bool) rules.Tool {
	switch named := rules.GroupNamed(o.Name) != ""; {
	case o.Ours():
		return rules.Satchel
	case strings.HasPrefix(createdBy, "oc-mirror"), named:
		return rules.OcMirror
	case catalog, o.Name == "example" && o.Kind != rules.TagMirrors: // as oc adm release mirror prints it
		return rules.Oc
	case installed.MatchString(o.Name):
		return rules.Installer
	}
	return ""
}

// twice refuses two objects of one name.
func (r *PresentRules) twice(file string) error {
	seen := map[string]bool{}
	for _, o := range r.Objects {
		if seen[o.String()] {
			return &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: "it has " + o.String() + " twice; only one state of the cluster can be read"}
		}
		seen[o.String()] = true
	}
	return nil
}
