package audit

import (
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
)

// External is an image that something of the cluster pulls without a node's rules: it is listed, and
// not judged.
type External struct {
	Kind      string `json:"kind"` // of the object that names it
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Image     string `json:"image"`
	How       string `json:"how"` // who pulls it, and when
	Sample    bool   `json:"sample,omitempty"`
}

// Outside lists the images that importer pods, ImageStreams and builds pull, which do not read the
// registries.conf of nodes, or not the pull secret; and those that the cluster's own registry passes through.
func Outside(state *cluster.State) (list []External) {
	for _, u := range state.Images {
		if u.Internal || u.Ended || u.Image == "" {
			continue
		}
		one := External{Kind: u.Kind, Namespace: u.Namespace, Name: u.Name, Image: u.Image, Sample: u.Sample}
		switch {
		case u.Kind == "ImageStream" && u.Scheduled:
			one.How = "imported again and again by the API server"
		case u.Kind == "ImageStream":
			one.How = "imported by the API server when somebody asks"
		case u.Kind == "BuildConfig":
			one.How = "pulled by the build's pod"
		case u.Kind == "DataImportCron":
			one.How = "pulled again and again by an importer pod"
		case u.Kind == "DataVolume", u.Kind == "VirtualMachine" && u.Container == "":
			one.How = "pulled by an importer pod"
		default:
			continue
		}
		list = append(list, one)
	}
	seen := map[External]bool{}
	for _, s := range state.Starts {
		one := External{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, Image: s.Through, How: "pulled through the cluster's own registry, which gets again from outside what it has not stored"}
		if s.Through != "" && !seen[one] {
			seen[one] = true
			list = append(list, one)
		}
	}
	return list
}
