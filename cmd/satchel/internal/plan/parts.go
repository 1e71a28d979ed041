package plan

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Part is a release, a catalog, an operator, a chart, or all other images of an origin: what of
// it is new, and what is left out. What several parts need is counted in each of them.
type Part struct {
	Kind     string   `json:"kind"`               // release, catalog, operator, chart, or an origin
	Name     string   `json:"name,omitempty"`     // none where it is all other images of an origin
	Catalog  string   `json:"catalog,omitempty"`  // of an operator
	Versions []string `json:"versions,omitempty"` // of an operator, those of which something is new
	New      Amount   `json:"new"`
	LeftOut  Amount   `json:"leftOut"`
}

// Amount is images, and the bytes of them and of what is attached to them.
type Amount struct {
	Images int   `json:"images"` // new: that have something new
	Bytes  int64 `json:"bytes"`  // of each digest once
}

// parts counts each part of what is planned. travels has the digests that are carried.
func (r *Report) parts(all *oci.Graph, travels map[digest.Digest]bool) (list []Part) {
	of := partsOf(all)
	names := slices.SortedFunc(slices.Values(slices.Concat(of...)), manifests.ComparePart)
	index := map[manifests.Part]int{}
	for _, p := range names {
		if _, ok := index[whole(p)]; !ok {
			index[whole(p)] = len(list)
			list = append(list, Part{Kind: p.Kind, Name: p.Name, Catalog: p.Catalog})
		}
	}
	fresh := map[manifests.Part]bool{}
	for i, img := range all.Images {
		for _, p := range of[i] {
			fresh[p] = fresh[p] || r.Images[i].New && img.Subject == ""
		}
		for _, p := range wholes(of[i]) {
			switch {
			case img.Subject != "":
			case r.Images[i].New:
				list[index[p]].New.Images++
			default:
				list[index[p]].LeftOut.Images++
			}
		}
	}
	for _, p := range slices.Compact(names) {
		if p.Version != "" && fresh[p] {
			list[index[whole(p)]].Versions = append(list[index[whole(p)]].Versions, p.Version)
		}
	}
	for _, n := range slices.Concat(all.Manifests, all.Blobs) {
		var needs []manifests.Part
		for _, i := range n.Images {
			needs = append(needs, of[i]...)
		}
		for _, p := range wholes(needs) {
			if travels[n.Descriptor.Digest] {
				list[index[p]].New.Bytes += n.Descriptor.Size
			} else {
				list[index[p]].LeftOut.Bytes += n.Descriptor.Size
			}
		}
	}
	return list
}

// whole is the part without its version.
func whole(p manifests.Part) manifests.Part {
	p.Version = ""
	return p
}

// wholes are those of some parts, each once.
func wholes(list []manifests.Part) (out []manifests.Part) {
	seen := map[manifests.Part]bool{}
	for _, p := range list {
		if key := whole(p); !seen[key] {
			seen[key] = true
			out = append(out, key)
		}
	}
	return out
}

// partsOf gives the parts of each image; an attachment has those of what it is attached to.
func partsOf(g *oci.Graph) [][]manifests.Part {
	reached := map[digest.Digest][]int{}
	for _, n := range g.Manifests {
		reached[n.Descriptor.Digest] = n.Images
	}
	of := make([][]manifests.Part, len(g.Images))
	for i := range g.Images {
		seen := map[int]bool{i: true}
		for todo := []int{i}; len(todo) > 0; todo = todo[1:] {
			img := g.Images[todo[0]]
			if img.Subject == "" {
				of[i] = append(of[i], manifests.PartsOf(img)...)
				continue
			}
			for _, o := range reached[img.Subject] {
				if !seen[o] && g.Images[o].Source.Repo() == img.Source.Repo() {
					seen[o] = true
					todo = append(todo, o)
				}
			}
		}
		if len(of[i]) == 0 {
			of[i] = []manifests.Part{{Kind: string(g.Images[i].Origin)}}
		}
	}
	return of
}
