package prepare

import "github.com/satchel-airgap/satchel/oci/text"

// maxOdd is how many manifests are named that some registries refuse.
const maxOdd = 5

// warnOdd says which manifests depart from their specification: some registries give
// and take such ones, others refuse them when they are pushed.
func (s *Set) warnOdd() {
	n := 0
	for _, m := range s.Graph.Manifests {
		if m.Odd == "" {
			continue
		}
		if n++; n <= maxOdd {
			s.Warn("image %s: its manifest %s has %s; some registries refuse to store such a manifest", s.Graph.Of(m)[0].Describe(), m.Descriptor.Digest, m.Odd)
		}
	}
	if n > maxOdd {
		s.Warn("the same goes for %s", text.Count(n-maxOdd, "more manifest", "more manifests"))
	}
}
