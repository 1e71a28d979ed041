package prune

import "github.com/satchel-airgap/satchel/transport"

// spaceTexts say of each product how it gives space back.
var spaceTexts = map[transport.Product]string{
	transport.ProductQuay:        "Quay: it keeps what was deleted for as long as its time machine says, two weeks by default (the organization's settings, DEFAULT_TAG_EXPIRATION), and collects it then by itself",
	transport.ProductHarbor:      "Harbor: run its garbage collection (Administration, Clean Up, Garbage Collection). By default it leaves alone what is younger than two hours; it need not be read-only",
	transport.ProductNexus:       "Nexus: run the task \"Docker - Delete unused manifests and images\", then \"Admin - Compact blob store\"; the second gives the space back",
	transport.ProductArtifactory: "Artifactory: what was deleted may lie in the trash can, for 14 days by default; after that its garbage collection, which runs by a schedule (Administration, Artifactory, Maintenance), gives the space back",
}

// spaceDistribution are the registries that say nothing of themselves.
var spaceDistribution = []string{
	"distribution 3 and later: registry garbage-collect --delete-untagged CONFIG, while the registry is stopped or read-only: an upload at that time can lose blobs. Start it again afterwards: it may still think that it has what is gone",
	"docker-registry 2.8 and older: registry garbage-collect CONFIG, stopped or read-only too, and never with -m (--delete-untagged): that deletes the images of a list that has a tag, and nodes cannot pull them any more",
}

// Space says how a registry gives the space of what was deleted back: of a product that is
// not known, for each that it may be.
func Space(product transport.Product) []string {
	if s, known := spaceTexts[product]; known {
		return []string{s}
	}
	list := append([]string{}, spaceDistribution...)
	for _, p := range []transport.Product{transport.ProductQuay, transport.ProductHarbor, transport.ProductNexus, transport.ProductArtifactory} {
		list = append(list, spaceTexts[p])
	}
	return list
}
