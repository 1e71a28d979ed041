package needed

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/podlist"
	"github.com/satchel-airgap/satchel/manifests/internal/pods"
	"github.com/satchel-airgap/satchel/oci"
)

// uses lists the images that a cluster uses and that may have to be fetched for it. Left out is
// what has ended, what the cluster's own registry alone has, streams that the Samples operator
// brought and nobody may use, catalogs, which are carried as the configuration says, and what
// satchel itself has built, which no other registry has.
func uses(s *cluster.State, from sources) (list []Use) {
	catalogs, graphs := catalogImages(s), graphImages(s)
	for _, u := range s.Images {
		if u.Ended || u.Internal || u.Sample || u.Image == "" && u.ID == "" || catalogs[u.Image] || isDefaultCatalog(u.Image, from) || graphs.has(u.Image) {
			continue
		}
		u.Image, u.ID = from.back(u.Image), from.back(u.ID)
		list = append(list, Use{u, s.Name})
	}
	return list
}

// catalogImages are the images of catalogs as the cluster has them, by their names.
func catalogImages(s *cluster.State) map[string]bool {
	images := map[string]bool{}
	for _, o := range s.Of("CatalogSource") {
		var source struct {
			Spec struct {
				Image string `json:"image"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &source) == nil && source.Spec.Image != "" {
			images[source.Spec.Image] = true
		}
	}
	for _, o := range s.Of("ClusterCatalog") {
		var catalog struct {
			Spec struct {
				Source struct {
					Image struct {
						Ref string `json:"ref"`
					} `json:"image"`
				} `json:"source"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &catalog) == nil && catalog.Spec.Source.Image.Ref != "" {
			images[catalog.Spec.Source.Image.Ref] = true
		}
	}
	return images
}

// graphs are the images with update graphs, which are built anew for each bundle: by their
// repositories, and the repositories that satchel and oc-mirror give them.
type graphs map[string]bool

func (g graphs) has(image string) bool {
	ref, err := oci.ParseRef(image)
	return err == nil && (g[ref.Name()] || strings.HasSuffix("/"+ref.Repository, "/"+origin.PathGraph))
}

// graphImages are those that the update services of a cluster serve.
func graphImages(s *cluster.State) graphs {
	g := graphs{}
	for _, o := range s.Of("UpdateService") {
		var service struct {
			Spec struct {
				Graph string `json:"graphDataImage"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &service) != nil {
			continue
		}
		if ref, err := oci.ParseRef(service.Spec.Graph); err == nil {
			g[ref.Name()] = true
		}
	}
	return g
}

// isDefaultCatalog reports whether an image is one of a default catalog.
func isDefaultCatalog(image string, from sources) bool {
	name := repository(image, from)
	return slices.ContainsFunc(origin.DefaultCatalogs, func(d origin.DefaultCatalog) bool { return d.Repository == name })
}

// Pods gathers the images of clusters as those of pods.
func (n *Needs) Pods() (*pods.Pods, error) {
	set := pods.NewPods()
	for _, u := range n.Uses {
		one := podlist.Use{Namespace: u.Namespace, Pod: u.Name, Container: u.Container, Image: u.Image, ID: u.ID}
		if u.Kind != "Pod" {
			one.Container = strings.TrimSpace(one.Container + " (" + u.Kind + ")")
		}
		if err := set.Add(one); err != nil {
			return nil, err
		}
	}
	return set, nil
}
