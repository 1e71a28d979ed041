package origin

import (
	"cmp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// Part is something of the configuration that has images: a release, a catalog, an operator
// of a catalog, a chart; or all images of an origin that are of none of those.
type Part struct {
	Kind    string `json:"kind"`              // release, catalog, operator, chart; else the origin
	Name    string `json:"name,omitempty"`    // VERSION-ARCHITECTURE, the catalog's reference, the package, CHART VERSION
	Catalog string `json:"catalog,omitempty"` // of an operator: the reference of its catalog, as configured
	Version string `json:"version,omitempty"` // of an operator
}

// nameGraph is the part that the graph image is.
const nameGraph = "graph data"

// PartsOf lists what an image is part of, each once. An attachment has none of its own.
func PartsOf(img oci.Image) (list []Part) {
	for _, r := range img.Reasons {
		var p Part
		switch r.Kind {
		case KindRelease:
			p = Part{Kind: KindRelease, Name: strings.ReplaceAll(r.Name, " ", "-")}
		case KindGraph:
			p = Part{Kind: KindRelease, Name: nameGraph}
		case KindCatalog:
			p = Part{Kind: KindCatalog, Name: cmp.Or(r.Name, img.Configured().String())}
		case KindOperator:
			p = Part{Kind: KindOperator, Catalog: r.Catalog}
			p.Name, p.Version, _ = strings.Cut(r.Name, " ")
		case KindChart:
			p = Part{Kind: KindChart, Name: r.Name}
		default:
			continue
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 && img.Subject == "" {
		list = append(list, Part{Kind: string(img.Origin)})
	}
	return list
}

// ComparePart orders parts: by kind as a report has them, then by catalog, name and version.
func ComparePart(a, b Part) int {
	order := func(p Part) int {
		if i := slices.Index(wholeKinds, p.Kind); i >= 0 {
			return i
		}
		return len(wholeKinds)
	}
	return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Catalog, b.Catalog),
		CompareReleaseTags(a.Name, b.Name), CompareVersions(a.Version, b.Version), cmp.Compare(a.Version, b.Version))
}
