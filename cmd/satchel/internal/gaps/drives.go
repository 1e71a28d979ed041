package gaps

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Without lists the images of a graph that need content which is missing. why gives the reason
// for each blob, nil for one that is there. What is attached to such an image is not listed
// with it: who carries the image again carries that too. gone reports whether an image is not whole, or
// attached to what is not.
func Without(g *oci.Graph, why func(oci.Descriptor) error) (list List, gone func(oci.Image) bool) {
	reasons := map[int]error{}
	for _, n := range g.Blobs {
		if err := why(n.Descriptor); err != nil {
			for _, i := range n.Images {
				if reasons[i] == nil {
					reasons[i] = err
				}
			}
		}
	}
	subjects := onlyOf(g, reasons)
	for i, img := range g.Images {
		if reasons[i] != nil && !subjects[img.Subject] {
			list.Add(&oci.Gap{Image: img, Err: reasons[i]})
		}
	}
	type key struct {
		source        oci.Ref
		path          string
		root, subject digest.Digest
	}
	keyOf := func(img oci.Image) key { return key{img.Source, img.MirrorPath(), img.Root.Digest, img.Subject} }
	is := map[key]bool{}
	for i, img := range g.Images {
		is[keyOf(img)] = reasons[i] != nil || subjects[img.Subject]
	}
	return list, func(img oci.Image) bool { return is[keyOf(img)] }
}

// OnDrive is the reason of what a drive has that is not here.
func OnDrive(d fmt.Stringer) error { return fmt.Errorf("%s has a part of it, and is not here", d) }

// onlyOf are the manifests that none but images with a reason reach.
func onlyOf(g *oci.Graph, reasons map[int]error) map[digest.Digest]bool {
	only := map[digest.Digest]bool{}
	for _, n := range g.Manifests {
		all := len(n.Images) > 0
		for _, i := range n.Images {
			all = all && reasons[i] != nil
		}
		only[n.Descriptor.Digest] = all
	}
	return only
}
