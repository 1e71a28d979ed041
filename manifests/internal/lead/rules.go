package lead

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/oci"
)

// emptyPolicySize is more than an object with rules has without them, in bytes.
const emptyPolicySize = 1000

// Lead is the part of the rules.
type Lead struct {
	*handover.Handover
	Trust  *trust.Trust
	kind   rules.Kind // of the rules for pulls by digest
	Groups []rules.Group
	// tagGroups are rules for pulls by tag; none but beside ImageDigestMirrorSets.
	tagGroups []rules.Group
	Growth    *rules.Growth    // nil: neither present rules nor those of earlier bundles are known
	ICSPs     []handover.Named // objects with rules for pulls by digest
	ITMSs     []handover.Named // and by tag
	// Reached are the release that runs and those that updates lead the cluster to now; nil: not known.
	Reached map[string]bool
	Tagged  []oci.Image // named only by tag: rules do not cover them
}

// EmitRules writes the rules, one file an object, and the registries.conf that nodes get from them.
func (l *Lead) EmitRules() error {
	if err := l.grow(); err != nil {
		return err
	}
	if err := l.checkRules(); err != nil {
		return err
	}
	for _, set := range l.sets() {
		if l.Hosted() { // its nodes get their rules elsewhere
			break
		}
		if set.kind == rules.TagMirrors {
			l.ITMSs = append(l.ITMSs, handover.Named{Name: set.Name, File: set.File})
		} else {
			l.ICSPs = append(l.ICSPs, handover.Named{Name: set.Name, File: set.File})
		}
		if err := l.AddObject(set.File, handover.ModePublic, objectWith(set)); err != nil {
			return err
		}
	}
	l.Add(handover.FileRegistries, handover.ModePublic, l.Nodes(l.Trust.Insecure(), l.Blocked()).TOML())
	l.noteKind()
	l.noteGrowth()
	return nil
}

// Blocked lists what nodes never pull from.
func (l *Lead) Blocked() []string {
	if img := l.Site.PresentImage; img != nil {
		return img.Sources.Blocked
	}
	return nil
}

// ruleSet is the rules of one object.
type ruleSet struct {
	handover.Named
	kind  rules.Kind
	group string
	rules []rules.Rule
	never []string
}

// filePrefixes begin the names of files with rules, by kind.
var filePrefixes = map[rules.Kind]string{rules.ContentSource: "icsp-", rules.DigestMirrors: "idms-", rules.TagMirrors: "itms-"}

// sets gives the objects: those that grow, or, where nothing is known of earlier ones, objects
// named by what is in them.
func (l *Lead) sets() (list []ruleSet) {
	if l.Growth != nil {
		for _, o := range l.Growth.Ours {
			file := filePrefixes[o.Kind] + strings.TrimPrefix(o.Name, "satchel-") + ".yaml"
			list = append(list, ruleSet{handover.Named{Name: o.Name, File: file}, o.Kind, o.Group, o.Rules, o.Never})
		}
		return list
	}
	for _, part := range []struct {
		kind   rules.Kind
		groups []rules.Group
	}{{l.kind, l.Groups}, {rules.TagMirrors, l.tagGroups}} {
		for _, g := range part.groups {
			sets := g.Split(emptyPolicySize, l.ruleSize)
			for i, set := range sets {
				file := filePrefixes[part.kind] + g.Name + ".yaml"
				if len(sets) > 1 {
					file = filePrefixes[part.kind] + g.Name + "-" + strconv.Itoa(i+1) + ".yaml"
				}
				list = append(list, ruleSet{handover.Named{Name: set.Name(), File: file}, part.kind, g.Name, set.Rules, nil})
			}
		}
	}
	return list
}

// Nodes is what nodes have once the step of the rules was done, as far as their other rules are
// known.
func (l *Lead) Nodes(insecure, blocked []string) *rules.Nodes {
	list := l.objects()
	if !l.TagsNeeded() {
		list = l.withoutTags(list)
	}
	return rules.Applied(list, insecure, blocked)
}

// NodesNow is what nodes have before that step, where the cluster's rules are known.
func (l *Lead) NodesNow() *rules.Nodes {
	return rules.Applied(l.Site.PresentRules.Objects, l.Trust.Insecure(), l.Blocked())
}

// objects are the objects with rules that the cluster has then.
func (l *Lead) objects() (list []rules.Object) {
	if l.Growth != nil {
		return l.Growth.Objects()
	}
	for _, set := range l.sets() {
		list = append(list, rules.Object{Kind: set.kind, Name: set.Name, Rules: set.rules, Never: set.never})
	}
	return list
}

// objectWith is an object of the cluster with the rules of a set.
func objectWith(set ruleSet) any {
	api := "config.openshift.io/v1"
	if set.kind == rules.ContentSource {
		api = "operator.openshift.io/v1alpha1"
	}
	o := kube.Ours(api, string(set.kind), set.Name, "")
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
func (l *Lead) ruleSize(r rules.Rule) int {
	const list, item, source = len("  - mirrors:\n"), len("    - \"\"\n"), len("    source: \"\"\n")
	n := list + source + len(r.Source)
	if l.kind != rules.ContentSource {
		n += len("    mirrorSourcePolicy: \n") + len(rules.Never) // it may come later
	}
	for _, m := range r.Mirrors {
		n += item + len(m)
	}
	return n
}

// checkRules makes sure that a node that asks for an image by its digest gets to all
// its places in the mirror. Nodes ask for a built image only there.
func (l *Lead) checkRules() error {
	nodes := l.Nodes(nil, nil)
	for _, img := range l.RuledImages() {
		if img.Built {
			continue
		}
		pulled := nodes.Pull(img.Source.Name())
		for _, m := range l.Mirrors() {
			if !slices.Contains(pulled, m.Repo(img).Name()) {
				return fmt.Errorf("internal error: rules do not lead from %s to %s", img.Source, m.Repo(img).Name())
			}
		}
	}
	return nil
}
