package bundle

import "github.com/satchel-airgap/satchel/oci"

// Estimate gives an upper bound of the bytes that a bundle of the graph takes on
// the drive.
func Estimate(g *oci.Graph) int64 {
	const (
		perBlob  = 2*tarBlock + 512 // header, padding, index lines in both copies
		perDrive = 4 << 20          // seals, keys, copies, tails of segments
	)
	n := int64(perDrive)
	for _, nodes := range [][]oci.Node{g.Blobs, g.Manifests} {
		for _, node := range nodes {
			size := node.Descriptor.Size
			n += size + size/1024 + perBlob // 1/1024: frame, block and age overhead, rounded up
		}
	}
	return n
}
