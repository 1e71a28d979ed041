package oci_test

import (
	"context"
	"fmt"
	"log"

	"github.com/satchel-airgap/satchel/oci"
)

func ExampleParseRef() {
	ref, err := oci.ParseRef("quay.io/acme/tool:1.2")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ref.Registry, ref.Repository, ref.Tag)
	fmt.Println(ref.Repo())
	// Output:
	// quay.io acme/tool 1.2
	// quay.io/acme/tool
}

// Where a mirror has an image: its path, below the mirror's namespace.
func ExampleMirror_Repo() {
	mirror, err := oci.ParseMirror("mirror.example:5000/ocp")
	if err != nil {
		log.Fatal(err)
	}
	source, err := oci.ParseRef("quay.io/acme/team/tool:1.2")
	if err != nil {
		log.Fatal(err)
	}
	img := oci.Image{Source: source}
	fmt.Println(mirror.Repo(img))
	mirror.MaxNestedPaths = 2
	fmt.Println(mirror.Repo(img))
	// Output:
	// mirror.example:5000/ocp/acme/team/tool
	// mirror.example:5000/ocp/acme-team-tool
}

// notes is an artifact with two text files, in memory.
func notes(version string) (*oci.Memory, oci.Descriptor) {
	var m oci.Memory
	root, err := m.Artifact("application/vnd.example.notes", []oci.ArtifactFile{
		{Title: "licence.txt", MediaType: "text/plain", Body: []byte("free\n")},
		{Title: "version.txt", MediaType: "text/plain", Body: []byte(version)},
	})
	if err != nil {
		log.Fatal(err)
	}
	return &m, root
}

// Children come before parents, and the body of a blob is nil.
func ExampleWalk() {
	m, root := notes("1.0\n")
	err := oci.Walk(context.Background(), m, root, func(d oci.Descriptor, body []byte) error {
		fmt.Println(d.MediaType, d.Size > 0, body != nil)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// application/vnd.oci.empty.v1+json true false
	// text/plain true false
	// text/plain true false
	// application/vnd.oci.image.manifest.v1+json true true
}

// What two images share is in the graph once.
func ExampleReadGraph() {
	one, rootOne := notes("1.0\n")
	two, rootTwo := notes("2.0\n")
	images := []oci.Image{{Root: rootOne}, {Root: rootTwo}}
	g, err := oci.ReadGraph(context.Background(), images, func(img oci.Image) (oci.Source, error) {
		if img.Root.Digest == rootOne.Digest {
			return one, nil
		}
		return two, nil
	}, 2)
	if err != nil {
		log.Fatal(err)
	}
	shared := 0
	for _, n := range g.Blobs {
		if len(n.Images) == 2 {
			shared++
		}
	}
	fmt.Printf("%d manifests, %d blobs, %d of them shared\n", len(g.Manifests), len(g.Blobs), shared)
	// Output: 2 manifests, 4 blobs, 2 of them shared
}
