package emit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci/text"
)

// emptyPolicySize is more than an ImageContentSourcePolicy without rules has, in bytes.
const emptyPolicySize = 1000

// emitRules writes the rules as ImageContentSourcePolicies, one file an object,
// and the registries.conf that nodes get from them.
func (e *emission) emitRules() error {
	e.grow()
	if err := e.checkRules(); err != nil {
		return err
	}
	for _, set := range e.sets() {
		e.icsps = append(e.icsps, named{set.name, set.file})
		if err := e.addObject(set.file, modePublic, policyOf(set)); err != nil {
			return err
		}
	}
	var blocked []string
	if img := e.site.PresentImage; img != nil {
		blocked = img.Sources.Blocked
	}
	e.add(fileRegistries, modePublic, e.nodes(e.insecure(), blocked).TOML())
	e.noteGrowth()
	return nil
}

// ruleSet is the rules of one object.
type ruleSet struct {
	named
	group string
	rules []rules.Rule
}

// sets gives the objects: those that grow, or, where nothing is known of earlier ones, objects
// named by what is in them.
func (e *emission) sets() (list []ruleSet) {
	if e.growth != nil {
		for _, o := range e.growth.Ours {
			file := "icsp-" + strings.TrimPrefix(o.Name, "satchel-") + ".yaml"
			list = append(list, ruleSet{named{o.Name, file}, o.Group, o.Rules})
		}
		return list
	}
	for _, g := range e.groups {
		sets := g.Split(emptyPolicySize, ruleSize)
		for i, set := range sets {
			file := "icsp-" + g.Name + ".yaml"
			if len(sets) > 1 {
				file = "icsp-" + g.Name + "-" + strconv.Itoa(i+1) + ".yaml"
			}
			list = append(list, ruleSet{named{set.Name(), file}, g.Name, set.Rules})
		}
	}
	return list
}

// nodes is what nodes have once the rules are applied, as far as their other rules are known.
func (e *emission) nodes(insecure, blocked []string) *rules.Nodes {
	if e.growth != nil {
		return rules.Applied(e.growth.Objects(), insecure, blocked)
	}
	return rules.On(e.groups, insecure, blocked)
}

func policyOf(set ruleSet) contentSourcePolicy {
	p := contentSourcePolicy{object: objectOf("operator.openshift.io/v1alpha1", "ImageContentSourcePolicy", set.name, "")}
	if set.group == rules.Operator {
		p.Metadata.Labels["operators.openshift.org/catalog"] = "true" // as oc and oc-mirror label them
	}
	for _, r := range set.rules {
		p.Spec.RepositoryDigestMirrors = append(p.Spec.RepositoryDigestMirrors, digestMirrors(r))
	}
	return p
}

// ruleSize is at least what a rule takes in YAML, which is more than in JSON:
// indents, names of fields, and quotes where a name needs them.
func ruleSize(r rules.Rule) int {
	const list, item, source = len("  - mirrors:\n"), len("    - \"\"\n"), len("    source: \"\"\n")
	n := list + source + len(r.Source)
	for _, m := range r.Mirrors {
		n += item + len(m)
	}
	return n
}

// checkRules makes sure that a node that asks for an image by its digest gets to
// its place in the mirror. Nodes ask for a built image only there.
func (e *emission) checkRules() error {
	nodes := e.nodes(nil, nil)
	for _, img := range e.nodeImages() {
		place := e.site.Mirror.Repo(img).Name()
		if !img.Built && !slices.Contains(nodes.Pull(img.Source.Name()), place) {
			return fmt.Errorf("internal error: rules do not lead from %s to %s", img.Source, place)
		}
	}
	return nil
}

func (e *emission) stepRules(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Rules: where nodes find the images")
	if e.site.PresentRules != nil {
		e.stepGrown(p)
		return
	}
	var files []string
	for _, o := range e.icsps {
		files = append(files, o.file)
	}
	p.text("List the rules that the cluster has now (the new ones are in %s):", text.Some(files, 3))
	p.run("oc get imagecontentsourcepolicy", "oc get imagedigestmirrorset,imagetagmirrorset || true")
	p.list([]string{
		"If the second command lists any (oc-mirror v2 writes them) and the cluster is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update the cluster first. " + refusesMixed,
		"For each image, only the rule with the longest source counts. An existing rule may have a shorter source than a new one (for example `quay.io`, and the new one `quay.io/acme/tool`). Then nodes no longer ask its mirrors for that repository: this mirror must have every image of the repository that pods use.",
		"Rules of earlier runs (satchel-*) may stay; they do no harm. Delete one only if every source and mirror in it is also in the files here; then nothing changes on the nodes.",
	})
	p.text("Nodes: from 4.8 on, new rules take effect without drain and reboot. But releases from before mid-2022 drain the nodes if image.config has blocked or insecure registries. 4.7 drains every node; versions before 4.7 also reboot it. Removing a source or a mirror drains every node in every version (but never a single-node cluster). %s", e.never())
	e.pageCompare(p)
	e.runRules(p)
}

// never says what applying the files does to rules that are there.
func (e *emission) never() string {
	if e.growth != nil {
		return "The files have every rule of earlier bundles that there are receipts of, so the objects only grow."
	}
	return "satchel never changes an existing rule: new rules have a new name."
}

// pageCompare has the cluster compare objects of the same name: another mirror's, or one of which
// a receipt was lost, may have more.
func (e *emission) pageCompare(p *page) {
	if e.growth == nil {
		return
	}
	p.text("`oc apply` replaces what an object of the same name has. If the first command prints a source or a mirror, the cluster has a rule that these files lack (another mirror, a lost receipt): do not apply them, save the rules of the cluster and run satchel render again with `--present-rules`.")
	p.run("oc diff" + flagged(e.icsps) + " | grep -E '^-[^-].*(source: |- )'")
}

// firstNames are the names that the rules of the first bundle had: nothing was known then.
func (e *emission) firstNames() (list []string) {
	if e.growth == nil || e.site.PresentRules != nil || len(e.site.Earlier) == 0 {
		return nil
	}
	for _, g := range rules.For(e.site.Earlier[0]) {
		for _, set := range g.Split(emptyPolicySize, ruleSize) {
			list = append(list, set.Name())
		}
	}
	return list
}

const refusesMixed = "Such a cluster refuses an ImageContentSourcePolicy in addition to them: `oc apply` fails, and nothing changes on the nodes."

func (e *emission) runRules(p *page) {
	p.run("oc apply" + flagged(e.icsps))
	p.text("Wait until every node has the rules. The first command ends after two minutes if no node has to change:")
	p.run(waitForNodes()...)
}

// flagged lists the files of objects for one command, so that nodes change once.
func flagged(list []named) string {
	var b strings.Builder
	for _, o := range list {
		b.WriteString(" -f " + o.file)
	}
	return b.String()
}

func (e *emission) restoreRules(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Delete the rules")
	p.drains("deleting rules")
	names := ""
	for _, o := range e.icsps {
		names += " " + o.name
	}
	if e.site.PresentRules != nil {
		for _, o := range e.growth.Others {
			if o.Tool == rules.Satchel {
				names += " " + o.Name
			}
		}
		if len(e.deleted()) > 0 {
			p.text("Rules of other tools that you deleted are in before-icsp.yaml and before-idms-itms.yaml.")
		}
	} else {
		for _, name := range e.firstNames() {
			names += " " + name
		}
		p.text("Rules of earlier runs are also named satchel-*: add them to the second command, so that the nodes change only once.")
	}
	p.run(append([]string{"oc get imagecontentsourcepolicy", "oc delete imagecontentsourcepolicy --ignore-not-found" + names}, waitForNodes()...)...)
	p.text("After that, registries.conf on a node has no [[registry]] entry of these rules:")
	p.run(
		"NODE=$(oc get nodes -o jsonpath='{.items[0].metadata.name}')",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf",
	)
}
