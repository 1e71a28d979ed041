package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// allowedRegistries is what [manifests.NodeRules.Refuses] gives for an image that no entry of that list allows.
const allowedRegistries = "allowedRegistries"

// refusedByName says that nodes refuse an image by its name, wherever it comes from.
func (c *checking) refusedByName(w Wanted, img *Image) {
	scope := c.rules.Refuses(w.Ref.Name())
	payload := slices.ContainsFunc(c.carried.payloads, func(p payload) bool { return p.image.Source.Name() == w.Ref.Name() })
	if scope == "" || w.Attached || payload {
		return
	}
	f := Finding{Kind: Blocked, Fails: true, Image: w.Ref.String(), Rule: img.Rule, scope: scope, Wrong: "nodes refuse it by its name, from the mirror too: " + scope + " of registrySources (image.config) blocks it", Do: "take " + scope + " out of blockedRegistries of image.config: this drains every node"}
	if scope == allowedRegistries {
		f.Wrong, f.Do = "nodes refuse it by its name, from the mirror too: it is not among allowedRegistries of image.config", "add "+w.Ref.Name()+" to allowedRegistries of image.config"
	}
	img.findings = append(img.findings, f)
}

// refusedName is an entry of registrySources, and whether the cluster is known to need what it refuses.
type refusedName struct {
	scope  string
	needed bool
}

// refusedNames takes together what nodes refuse by name: one finding for each entry of registrySources, which may be about
// thousands of images. Mirrors are shared, so it fails only for what this cluster is known to need.
func refusedNames(images []*Image) (list []Finding) {
	by := map[refusedName][]string{}
	for _, img := range images {
		for _, f := range img.findings {
			if f.scope != "" && !img.tells(f) {
				of := refusedName{f.scope, img.needed}
				by[of] = append(by[of], f.Image)
			}
		}
	}
	order := func(a, b refusedName) int { return cmp.Compare(a.scope, b.scope) }
	for _, of := range slices.SortedFunc(maps.Keys(by), order) {
		list = append(list, of.finding(by[of]))
	}
	return list
}

// finding says it of some images.
func (of refusedName) finding(images []string) Finding {
	var repos []string
	for _, image := range images {
		if ref, err := oci.ParseRef(image); err == nil {
			repos = append(repos, ref.Name())
		}
	}
	repos = text.Sorted(repos)
	count := text.Count(len(images), "image", "images")
	f := Finding{Kind: Blocked, Fails: of.needed, Object: "image.config.openshift.io/cluster"}
	f.Wrong = fmt.Sprintf("nodes refuse %s by name, from the mirror too: %s of registrySources blocks %s", count, of.scope, text.Some(repos, 3))
	f.Do = "take " + of.scope + " out of blockedRegistries of image.config: this drains every node"
	if of.scope == allowedRegistries {
		f.Wrong = fmt.Sprintf("nodes refuse %s by name, from the mirror too: allowedRegistries of registrySources does not have %s", count, text.Some(repos, 3))
		f.Do = "add " + text.Some(repos, 3) + " to allowedRegistries of image.config"
	}
	if !of.needed {
		f.Wrong += ". Nothing of this cluster is known to need that"
		f.Do = "if this cluster is to run it: " + f.Do
	}
	return f
}
