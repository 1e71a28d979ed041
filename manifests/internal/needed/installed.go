package needed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// installed lists what a cluster has installed, or is about to, by OLM of either generation.
func installed(s *cluster.State, from sources) (list []imageset.Installed) {
	versions := csvVersions(s)
	for _, o := range s.Of("Subscription") {
		list = append(list, subscription(s, o, versions, from)...)
	}
	for _, o := range s.Of("ClusterExtension") {
		list = append(list, extension(s, o, from)...)
	}
	return list
}

// csvVersions are the versions of ClusterServiceVersions, by namespace and name.
func csvVersions(s *cluster.State) map[string]string {
	versions := map[string]string{}
	for _, o := range s.Of("ClusterServiceVersion") {
		var csv struct {
			Spec struct {
				Version string `json:"version"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &csv) == nil {
			versions[o.Namespace+"/"+o.Name] = csv.Spec.Version
		}
	}
	return versions
}

// subscription reads one of OLM (operator-framework/api, v1alpha1).
func subscription(s *cluster.State, o cluster.Object, versions map[string]string, from sources) []imageset.Installed {
	var sub struct {
		Spec struct {
			Name            string `json:"name"`
			Channel         string `json:"channel"`
			Source          string `json:"source"`
			SourceNamespace string `json:"sourceNamespace"`
			StartingCSV     string `json:"startingCSV"`
		} `json:"spec"`
		Status struct {
			InstalledCSV string `json:"installedCSV"`
		} `json:"status"`
	}
	if json.Unmarshal(o.Body, &sub) != nil || sub.Spec.Name == "" {
		return nil
	}
	bundle := cmp.Or(sub.Status.InstalledCSV, sub.Spec.StartingCSV)
	one := imageset.Installed{Package: sub.Spec.Name, Bundle: bundle, Channel: sub.Spec.Channel, Cluster: s.Name,
		Version: plainVersion(cmp.Or(versions[o.Namespace+"/"+bundle], versionIn(bundle)))}
	one.By = text.ASCII(fmt.Sprintf("Subscription %s/%s of cluster %s", o.Namespace, o.Name, s.Name))
	catalogOf(s, sub.Spec.SourceNamespace, sub.Spec.Source, from).into(&one)
	return []imageset.Installed{printable(one)}
}

// extension reads one of OLM v1 (operator-controller, v1, ClusterExtension): one for each of its
// channels.
func extension(s *cluster.State, o cluster.Object, from sources) (list []imageset.Installed) {
	var e struct {
		Spec struct {
			Source struct {
				Catalog struct {
					PackageName string   `json:"packageName"`
					Channels    []string `json:"channels"`
					Selector    struct {
						MatchLabels map[string]string `json:"matchLabels"`
					} `json:"selector"`
				} `json:"catalog"`
			} `json:"source"`
		} `json:"spec"`
		Status struct {
			Install struct {
				Bundle struct {
					Name    string `json:"name"`
					Version string `json:"version"`
				} `json:"bundle"`
			} `json:"install"`
		} `json:"status"`
	}
	if json.Unmarshal(o.Body, &e) != nil || e.Spec.Source.Catalog.PackageName == "" {
		return nil
	}
	c, b := e.Spec.Source.Catalog, e.Status.Install.Bundle
	one := imageset.Installed{Package: c.PackageName, Bundle: b.Name, Version: plainVersion(b.Version), Cluster: s.Name}
	one.By = text.ASCII(fmt.Sprintf("ClusterExtension %s of cluster %s", o.Name, s.Name))
	clusterCatalog(s, c.Selector.MatchLabels["olm.operatorframework.io/metadata.name"], from).into(&one)
	channels := c.Channels
	if len(channels) == 0 {
		channels = []string{""}
	}
	for _, one.Channel = range channels {
		list = append(list, printable(one))
	}
	return list
}

// printable leaves nothing in that a terminal obeys.
func printable(i imageset.Installed) imageset.Installed {
	for _, s := range []*string{&i.Package, &i.Bundle, &i.Channel, &i.Catalog, &i.Image} {
		*s = text.ASCII(text.Cut(*s, 253))
	}
	return i
}

// versionIn is the version in the name of a bundle, NAME.vX.Y.Z.
func versionIn(bundle string) string {
	_, v, _ := strings.Cut(bundle, ".")
	return strings.TrimPrefix(v, "v")
}

// plainVersion is a semantic version, or nothing.
func plainVersion(s string) string {
	if _, err := semver.Parse(s); err != nil {
		return ""
	}
	return s
}

// catalogOf finds the catalog of a CatalogSource.
func catalogOf(s *cluster.State, namespace, name string, from sources) place {
	if o, ok := s.One("CatalogSource", namespace, name); ok {
		var source struct {
			Spec struct {
				Image     string `json:"image"`
				Publisher string `json:"publisher"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &source) == nil {
			return outside(o, source.Spec.Image, source.Spec.Publisher, from)
		}
	}
	for _, d := range origin.DefaultCatalogs {
		if d.Source == name {
			return place{repo: d.Repository}
		}
	}
	return place{}
}

// clusterCatalog finds that of a ClusterCatalog.
func clusterCatalog(s *cluster.State, name string, from sources) place {
	if o, ok := s.One("ClusterCatalog", "", name); ok {
		var catalog struct {
			Spec struct {
				Source struct {
					Image struct {
						Ref string `json:"ref"`
					} `json:"image"`
				} `json:"source"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &catalog) == nil {
			return outside(o, catalog.Spec.Source.Image.Ref, "", from)
		}
	}
	for _, d := range origin.DefaultCatalogs {
		if "openshift-"+d.Source == name {
			return place{repo: d.Repository}
		}
	}
	return place{}
}

// repository is that of an image, with its registry, as it is outside. The default catalogs keep
// their paths in mirrors.
func repository(image string, from sources) string {
	ref, err := oci.ParseRef(from.back(image))
	if err != nil {
		return ""
	}
	for _, d := range origin.DefaultCatalogs {
		_, path, _ := strings.Cut(d.Repository, "/")
		if strings.HasSuffix("/"+ref.Repository, "/"+path) {
			return d.Repository
		}
	}
	return ref.Name()
}
