package emit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// emptyPolicySize is more than an ImageContentSourcePolicy without rules has, in bytes.
const emptyPolicySize = 1000

// emitRules writes the rules as ImageContentSourcePolicies, one file an object,
// and the registries.conf that nodes get from them.
func (e *emission) emitRules() error {
	if err := e.checkRules(); err != nil {
		return err
	}
	for _, g := range e.groups {
		sets := g.Split(emptyPolicySize, ruleSize)
		for i, set := range sets {
			file := "icsp-" + g.Name + ".yaml"
			if len(sets) > 1 {
				file = "icsp-" + g.Name + "-" + strconv.Itoa(i+1) + ".yaml"
			}
			e.icsps = append(e.icsps, named{set.Name(), file})
			if err := e.addObject(file, modePublic, policyOf(set)); err != nil {
				return err
			}
		}
	}
	var blocked []string
	if img := e.site.PresentImage; img != nil {
		blocked = img.Sources.Blocked
	}
	e.add(fileRegistries, modePublic, rules.On(e.groups, e.insecure(), blocked).TOML())
	return nil
}

func policyOf(set rules.Set) contentSourcePolicy {
	p := contentSourcePolicy{object: objectOf("operator.openshift.io/v1alpha1", "ImageContentSourcePolicy", set.Name(), "")}
	if set.Group == rules.Operator {
		p.Metadata.Labels = map[string]string{"operators.openshift.org/catalog": "true"} // as oc and oc-mirror label them
	}
	for _, r := range set.Rules {
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
	nodes := rules.On(e.groups, nil, nil)
	for _, img := range e.nodeImages() {
		place := e.site.Mirror.Repo(img).Name()
		if !img.Built && !slices.Contains(nodes.Pull(img.Source.Name()), place) {
			return fmt.Errorf("internal error: rules do not lead from %s to %s", img.Source, place)
		}
	}
	return nil
}

// place is where the mirror has an image, by digest.
func (e *emission) place(img oci.Image) string {
	return e.site.Mirror.Repo(img).WithDigest(img.Root.Digest).String()
}

func (e *emission) stepRules(p *page) {
	if len(e.icsps) == 0 {
		return
	}
	p.step("Rules: where nodes find the images")
	var files []string
	for _, o := range e.icsps {
		files = append(files, o.file)
	}
	p.text("List the rules that the cluster has now (the new ones are in %s):", text.Some(files, 3))
	p.run("oc get imagecontentsourcepolicy", "oc get imagedigestmirrorset,imagetagmirrorset || true")
	p.list([]string{
		"If the second command lists any (oc-mirror v2 writes them) and the cluster is older than 4.13.27, or is 4.14.0 to 4.14.2, stop here and update the cluster first. Such a cluster refuses an ImageContentSourcePolicy in addition to them: `oc apply` fails, and nothing changes on the nodes.",
		"For each image, only the rule with the longest source counts. An existing rule may have a shorter source than a new one (for example `quay.io`, and the new one `quay.io/acme/tool`). Then nodes no longer ask its mirrors for that repository: this mirror must have every image of the repository that pods use.",
		"Rules of earlier runs (satchel-*) may stay; they do no harm. Delete one only if every source and mirror in it is also in the files here; then nothing changes on the nodes.",
	})
	p.text("Nodes: from 4.8 on, new rules take effect without drain and reboot. But releases from before mid-2022 drain the nodes if image.config has blocked or insecure registries. 4.7 drains every node; versions before 4.7 also reboot it. Removing a source or a mirror drains every node in every version (but never a single-node cluster). satchel never changes an existing rule: new rules have a new name.")
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
	p.text("Nodes: every node is drained, one after the other (but never a single-node cluster). Rules of earlier runs are also named satchel-*: add them to the second command, so that the nodes change only once.")
	names := ""
	for _, o := range e.icsps {
		names += " " + o.name
	}
	p.run(append([]string{"oc get imagecontentsourcepolicy", "oc delete imagecontentsourcepolicy --ignore-not-found" + names}, waitForNodes()...)...)
	p.text("After that, registries.conf on a node has no [[registry]] entry of these rules:")
	p.run(
		"NODE=$(oc get nodes -o jsonpath='{.items[0].metadata.name}')",
		"oc debug -q node/\"$NODE\" -- chroot /host cat /etc/containers/registries.conf",
	)
}
