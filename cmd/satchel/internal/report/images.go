// Package report is what plan and inspect report of images.
package report

import (
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Image is one image of a bundle.
type Image struct {
	Origin    oci.Origin    `json:"origin"`
	Source    oci.Ref       `json:"source"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Platforms []string      `json:"platforms,omitempty"`
	// Without is what its indexes name and the bundle does not carry: other platforms.
	Without []digest.Digest `json:"without,omitempty"`
	Tags    []string        `json:"tags,omitempty"`
	Path    string          `json:"path,omitempty"` // in the mirror, where it is not the source's
	Why     []string        `json:"why,omitempty"`  // the reasons, for people
	Reasons []oci.Reason    `json:"reasons,omitempty"`
	Bytes   int64           `json:"bytes"` // of all that it reaches
	// Subject is the manifest that this one is attached to: a signature, an
	// attestation, or another referrer.
	Subject  digest.Digest `json:"subject,omitempty"`
	Attached int           `json:"attached,omitempty"` // how many are attached to it and to what it reaches, and to those in turn

	Unknown []string `json:"unknown,omitempty"` // sorts of attachments of which the registry refused to say whether there are any

	LeftOut bool `json:"leftOut,omitempty"` // nothing of it is in the bundle: the mirror has it

	Alone bool `json:"-"` // its subject is not in the bundle
}

// Images reports on the images of a graph, in its order.
func Images(graph *oci.Graph) []Image {
	list := make([]Image, len(graph.Images))
	for i, img := range graph.Images {
		list[i] = Image{Origin: img.Origin, Source: img.Source, Digest: img.Root.Digest,
			MediaType: img.Root.MediaType, Platforms: img.Platforms, Without: img.Omitted, Tags: img.Tags, Path: img.Path, Why: oci.Words(img.Reasons), Reasons: img.Reasons, Subject: img.Subject, Unknown: img.Unknown}
	}
	countAttached(list, graph)
	for _, nodes := range [][]oci.Node{graph.Blobs, graph.Manifests} {
		for _, n := range nodes {
			for _, i := range n.Images {
				list[i].Bytes += n.Descriptor.Size
			}
		}
	}
	return list
}

// countAttached counts what is attached to each image.
func countAttached(list []Image, graph *oci.Graph) {
	reached := map[digest.Digest][]int{}
	for _, n := range graph.Manifests {
		reached[n.Descriptor.Digest] = n.Images
	}
	steps := 0 // a hostile bundle may attach each of many images to each of many others
	owners := func(i int) (list []int) {
		all := reached[graph.Images[i].Subject]
		if steps += len(all); steps > oci.MaxReached {
			return nil
		}
		for _, o := range all {
			if o != i && graph.Images[o].Source.Repo() == graph.Images[i].Source.Repo() {
				list = append(list, o)
			}
		}
		return list
	}
	for i := range list {
		if list[i].Subject == "" {
			continue
		}
		list[i].Alone = len(owners(i)) == 0
		seen := map[int]bool{i: true} // a hostile bundle may have attachments go round in circles
		for todo := owners(i); len(todo) > 0; todo = todo[1:] {
			if o := todo[0]; !seen[o] {
				seen[o] = true
				list[o].Attached++
				if graph.Images[o].Subject != "" {
					todo = append(todo, owners(o)...)
				}
			}
		}
	}
}

// CountAttached is how many of the images are attached to others.
func CountAttached(list []Image) (n int) {
	for _, img := range list {
		if img.Subject != "" {
			n++
		}
	}
	return n
}

// CountUnknown is of how many images it is not known what is attached to them.
func CountUnknown(list []Image) (n int) {
	for _, img := range list {
		if len(img.Unknown) > 0 {
			n++
		}
	}
	return n
}

// Size is the bytes of nodes.
func Size(nodes []oci.Node) (n int64) {
	for _, node := range nodes {
		n += node.Descriptor.Size
	}
	return n
}
