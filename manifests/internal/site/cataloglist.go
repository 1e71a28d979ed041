package site

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
	"github.com/satchel-airgap/satchel/oci"
)

// IndexVersion is the annotation of a catalog that satchel writes with the minor version that it is
// for, such as 4.16: it names its image by digest, which does not say that.
const IndexVersion = "satchel/index-version"

// PresentCatalogSources are the CatalogSources that a cluster has now in openshift-marketplace.
type PresentCatalogSources struct{ Sources []PresentSource }

// PresentSource is one of them.
type PresentSource struct {
	Name  string
	Image oci.Ref // zero for one without an image
	For   string  // the minor version that satchel wrote it for, such as 4.16; "" for none
}

// PresentCatalog is what of a CatalogSource matters here.
type PresentCatalog struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Image string `json:"image"`
	} `json:"spec"`
}

// Source is what is kept of it.
func (c PresentCatalog) Source() PresentSource {
	ref, err := oci.ParseRef(c.Spec.Image)
	if err != nil {
		ref = oci.Ref{} // of another kind, or by a name that no image of a bundle has
	}
	return PresentSource{Name: c.Metadata.Name, Image: ref, For: c.Metadata.Annotations[IndexVersion]}
}

// ParsePresentCatalogSources reads what "oc get catalogsource -n openshift-marketplace -o yaml" (or
// json) prints: a list, an object, or several documents of these. Errors are
// *[imageset.ConfigError]s without what the file says.
func ParsePresentCatalogSources(file string, data []byte) (*PresentCatalogSources, error) {
	present := &PresentCatalogSources{}
	err := eachDocument(file, data, func(doc *strict.Document) error {
		var list struct {
			Kind  string           `json:"kind"`
			Items []PresentCatalog `json:"items"`
		}
		p, err := peekIn(file, doc, &list)
		if err != nil {
			return err
		}
		if strings.HasSuffix(list.Kind, "List") {
			for i, o := range list.Items {
				present.object(p, fmt.Sprintf("items[%d].", i), o)
			}
			return p.Join()
		}
		var one PresentCatalog
		if p, err = peekIn(file, doc, &one); err != nil {
			return err
		}
		present.object(p, "", one)
		return p.Join()
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(present.Sources, func(a, b PresentSource) int { return strings.Compare(a.Name, b.Name) })
	return present, nil
}

func (c *PresentCatalogSources) object(p *imageset.Problems, path string, in PresentCatalog) {
	switch {
	case in.Kind != "CatalogSource" || !strings.HasPrefix(in.APIVersion, "operators.coreos.com/"):
		p.Add(path+"kind", "this is not a CatalogSource")
		return
	case len(in.Metadata.Name) > 253 || !namePattern.MatchString(in.Metadata.Name):
		p.Add(path+"metadata.name", "%smetadata.name is not the name of an object", path)
		return
	case in.Metadata.Namespace != "" && in.Metadata.Namespace != "openshift-marketplace":
		return // Subscriptions name the namespace too
	}
	c.Sources = append(c.Sources, in.Source())
}
