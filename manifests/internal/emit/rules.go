package emit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// emptyPolicySize is more than an object with rules has without them, in bytes.
const emptyPolicySize = 1000

// emitRules writes the rules, one file an object, and the registries.conf that nodes get from them.
func (e *emission) emitRules() error {
	if err := e.grow(); err != nil {
		return err
	}
	if err := e.checkRules(); err != nil {
		return err
	}
	for _, set := range e.sets() {
		if e.hosted() { // its nodes get their rules elsewhere
			break
		}
		if set.kind == rules.TagMirrors {
			e.itms = append(e.itms, named{set.name, set.file})
		} else {
			e.icsps = append(e.icsps, named{set.name, set.file})
		}
		if err := e.addObject(set.file, modePublic, objectWith(set)); err != nil {
			return err
		}
	}
	e.add(fileRegistries, modePublic, e.nodes(e.insecure(), e.blocked()).TOML())
	e.noteKind()
	e.noteGrowth()
	return nil
}

// blocked lists what nodes never pull from.
func (e *emission) blocked() []string {
	if img := e.site.PresentImage; img != nil {
		return img.Sources.Blocked
	}
	return nil
}

// ruleSet is the rules of one object.
type ruleSet struct {
	named
	kind  rules.Kind
	group string
	rules []rules.Rule
	never []string
}

// filePrefixes begin the names of files with rules, by kind.
var filePrefixes = map[rules.Kind]string{rules.ContentSource: "icsp-", rules.DigestMirrors: "idms-", rules.TagMirrors: "itms-"}

// sets gives the objects: those that grow, or, where nothing is known of earlier ones, objects
// named by what is in them.
func (e *emission) sets() (list []ruleSet) {
	if e.growth != nil {
		for _, o := range e.growth.Ours {
			file := filePrefixes[o.Kind] + strings.TrimPrefix(o.Name, "satchel-") + ".yaml"
			list = append(list, ruleSet{named{o.Name, file}, o.Kind, o.Group, o.Rules, o.Never})
		}
		return list
	}
	for _, part := range []struct {
		kind   rules.Kind
		groups []rules.Group
	}{{e.kind, e.groups}, {rules.TagMirrors, e.tagGroups}} {
		for _, g := range part.groups {
			sets := g.Split(emptyPolicySize, e.ruleSize)
			for i, set := range sets {
				file := filePrefixes[part.kind] + g.Name + ".yaml"
				if len(sets) > 1 {
					file = filePrefixes[part.kind] + g.Name + "-" + strconv.Itoa(i+1) + ".yaml"
				}
				list = append(list, ruleSet{named{set.Name(), file}, part.kind, g.Name, set.Rules, nil})
			}
		}
	}
	return list
}

// nodes is what nodes have once the step of the rules was done, as far as their other rules are
// known.
func (e *emission) nodes(insecure, blocked []string) *rules.Nodes {
	list := e.objects()
	if !e.tagsNeeded() {
		list = e.withoutTags(list)
	}
	return rules.Applied(list, insecure, blocked)
}

// nodesNow is what nodes have before that step, where the cluster's rules are known.
func (e *emission) nodesNow() *rules.Nodes {
	return rules.Applied(e.site.PresentRules.Objects, e.insecure(), e.blocked())
}

// objects are the objects with rules that the cluster has then.
func (e *emission) objects() (list []rules.Object) {
	if e.growth != nil {
		return e.growth.Objects()
	}
	for _, set := range e.sets() {
		list = append(list, rules.Object{Kind: set.kind, Name: set.name, Rules: set.rules, Never: set.never})
	}
	return list
}

// objectWith is an object of the cluster with the rules of a set.
func objectWith(set ruleSet) any {
	api := "config.openshift.io/v1"
	if set.kind == rules.ContentSource {
		api = "operator.openshift.io/v1alpha1"
	}
	o := kube.Ours(api, string(set.kind), set.name, "")
	if set.group == rules.Operator {
		o.Metadata.Labels["operators.openshift.org/catalog"] = "true" // as oc and oc-mirror label them
	}
	var list []kube.DigestMirrors
	for _, r := range set.rules {
		m := kube.DigestMirrors{Source: r.Source, Mirrors: r.Mirrors}
		if slices.Contains(set.never, r.Source) {
			m.Policy = string(rules.Never)
		}
		list = append(list, m)
	}
	switch set.kind {
	case rules.DigestMirrors:
		return kube.DigestMirrorSet{Object: o, Spec: kube.DigestMirrorSpec{ImageDigestMirrors: list}}
	case rules.TagMirrors:
		return kube.TagMirrorSet{Object: o, Spec: kube.TagMirrorSpec{ImageTagMirrors: list}}
	}
	return kube.ContentSourcePolicy{Object: o, Spec: kube.ContentSourceSpec{RepositoryDigestMirrors: list}}
}

// ruleSize is at least what a rule takes in YAML, which is more than in JSON:
// indents, names of fields, and quotes where a name needs them.
func (e *emission) ruleSize(r rules.Rule) int {
	const list, item, source = len("  - mirrors:\n"), len("    - \"\"\n"), len("    source: \"\"\n")
	n := list + source + len(r.Source)
	if e.kind != rules.ContentSource {
		n += len("    mirrorSourcePolicy: \n") + len(rules.Never) // it may come later
	}
	for _, m := range r.Mirrors {
		n += item + len(m)
	}
	return n
}

// checkRules makes sure that a node that asks for an image by its digest gets to all
// its places in the mirror. Nodes ask for a built image only there.
func (e *emission) checkRules() error {
	nodes := e.nodes(nil, nil)
	for _, img := range e.ruledImages() {
		if img.Built {
			continue
		}
		pulled := nodes.Pull(img.Source.Name())
		for _, m := range e.mirrors() {
			if !slices.Contains(pulled, m.Repo(img).Name()) {
				return fmt.Errorf("internal error: rules do not lead from %s to %s", img.Source, m.Repo(img).Name())
			}
		}
	}
	return nil
}
