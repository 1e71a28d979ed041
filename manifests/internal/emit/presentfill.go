package emit

import (
	"cmp"

	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
)

// presentFromCluster takes the present rules from what is known of the cluster.
func (e *emission) presentFromCluster() {
	if e.Site.PresentRules != nil {
		return
	}
	present, err := site.PresentRulesOf(e.Site.Cluster)
	if err != nil {
		e.Note("the cluster's rules cannot be read, and count as not known: %v", err)
	}
	e.Site.PresentRules = present
}

// fillPresent takes from the cluster's objects what was not given by hand.
func (e *emission) fillPresent() {
	e.presentFromCluster()
	const from = "the cluster"
	if one, ok := e.Present("Image", "", "cluster"); ok && e.Site.PresentImage == nil {
		img, err := site.ParseImageConfig(from, one.Body)
		if err != nil {
			e.Note("the cluster's image.config cannot be read, and counts as not known: %v", err)
		} else {
			e.Site.PresentImage = img
		}
	}
	img := e.Site.PresentImage
	if img == nil || e.Site.PresentCA != nil {
		return
	}
	name := cmp.Or(img.TrustedCA, trust.RegistryCAName)
	one, ok := e.Present("ConfigMap", "openshift-config", name)
	if !ok {
		return
	}
	ca, err := site.ParseRegistryCA(from, one.Body)
	if err != nil {
		e.Note("the cluster's ConfigMap %s cannot be read, and counts as not known: %v", name, err)
		return
	}
	e.Site.PresentCA = ca
}
