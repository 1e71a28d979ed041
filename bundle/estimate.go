package bundle

import "github.com/satchel-airgap/satchel/oci"

// Estimate gives an upper bound of the bytes that a bundle of the graph, in
// segments of the given size, takes on the drive.
func Estimate(g *oci.Graph, segmentSize int64) int64 {
	const (
		perBlob    = 2*tarBlock + 512 // header, padding, index lines in both copies
		perSegment = 4 << 10          // age header of a post-quantum key, seek table, line in the seal
		perDrive   = 4 << 20          // seals, keys, copies
	)
	n := int64(perDrive)
	for _, nodes := range [][]oci.Node{g.Blobs, g.Manifests} {
		for _, node := range nodes {
			size := node.Descriptor.Size
			n += size + size/1024 + perBlob // 1/1024: frame, block and age overhead, rounded up
		}
	}
	return n + (n/segmentSize+1)*perSegment
}
