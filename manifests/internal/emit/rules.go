package emit

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
)

// emptyPolicySize is more than an ImageContentSourcePolicy without rules has, in bytes.
const emptyPolicySize = 1000

// emitRules writes the rules as ImageContentSourcePolicies, one file an object,
// and what the nodes make of them.
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
	var insecure, blocked []string
	if img := e.site.PresentImage; img != nil {
		insecure, blocked = img.Sources.Insecure, img.Sources.Blocked
	}
	e.add(fileRegistries, modePublic, rules.On(e.groups, insecure, blocked).TOML())
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
// the place where the mirror has it. What satchel made is asked for there alone.
func (e *emission) checkRules() error {
	nodes := rules.On(e.groups, nil, nil)
	for _, img := range e.nodeImages() {
		place := e.site.Mirror.Repo(img).Name()
		if !img.Built && !slices.Contains(nodes.Pull(img.Source.Name()), place) {
			return fmt.Errorf("internal error: the rules do not lead from %s to %s", img.Source, place)
		}
	}
	return nil
}

// place is where the mirror has an image, by digest.
func (e *emission) place(img oci.Image) string {
	return e.site.Mirror.Repo(img).WithDigest(img.Root.Digest).String()
}
