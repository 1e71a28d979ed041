package needed

import (
	"regexp"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// place is where the image of a catalog is outside.
type place struct {
	repo, image string // "" where it is not known
	mirrored    bool   // it is in a mirror, and where it came from is not known
}

func (p place) into(one *imageset.Installed) {
	one.Catalog, one.Image, one.Mirrored = p.repo, p.image, p.mirrored
}

// outside finds the image of a catalog as it is outside. No rule is for one that was filtered: where
// the cluster has it from a mirror, its path, its object's name or its publisher may say what it was
// filtered from. Its digest is not that of the one outside.
func outside(o cluster.Object, image, publisher string, from sources) place {
	name := from.back(image)
	ref, err := oci.ParseRef(name)
	if err != nil {
		return place{}
	}
	ours := o.Ours()
	repo := repository(image, from)
	if repo == ref.Name() {
		if name != image || !ours && !from.isMirror(ref.Registry) {
			return place{repo: repo, image: ref.String()}
		}
		if repo = byName(o.Name); repo == "" && ours {
			repo = byPublisher(publisher, ref)
		}
		if repo == "" {
			return place{ref.Name(), ref.String(), true}
		}
	}
	if ref.Tag == "" {
		return place{repo: repo}
	}
	return place{repo: repo, image: repo + ":" + ref.Tag}
}

// ofVersion is the end of names of catalogs for a version.
var ofVersion = regexp.MustCompile(`-v[0-9]+-[0-9]+$`)

// byName finds the default catalog that a CatalogSource is called after, by satchel or oc-mirror.
func byName(name string) string {
	name = ofVersion.ReplaceAllString(name, "")
	for _, d := range origin.DefaultCatalogs {
		last := d.Repository[strings.LastIndexByte(d.Repository, '/')+1:]
		if name == d.Source || name == "satchel-"+d.Source || name == "cs-"+last {
			return d.Repository
		}
	}
	return ""
}

// byPublisher finds the repository that satchel has a catalog from: it names as its publisher the
// registry and the first word of the path there, which is in the path in the mirror too.
func byPublisher(publisher string, in oci.Ref) string {
	registry, first, ok := strings.Cut(publisher, "/")
	before, after, found := strings.Cut("/"+in.Repository, "/"+first+"/")
	if !ok || first == "" || !found || strings.Contains("/"+after, "/"+first+"/") || strings.Contains(before+"/", "/"+first+"/") {
		return ""
	}
	source, err := oci.ParseRef(registry + "/" + first + "/" + after + ":any")
	if err != nil || source.Registry == in.Registry {
		return ""
	}
	return source.Name()
}
