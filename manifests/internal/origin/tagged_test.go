package origin

import (
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestPulledByTag: a digest in an image's name does not say that pods name it by that.
func TestPulledByTag(t *testing.T) {
	t.Parallel()
	byDigest := oci.Ref{Registry: "q.io", Repository: "a/web"}.WithDigest(oci.Digest([]byte("x")))
	both := byDigest
	both.Tag = "2.3"
	pod, tags := []oci.Reason{{Kind: KindAdditional}, {Kind: KindPod, Name: "n/web-1"}}, []string{"2.3"}
	for name, c := range map[string]struct {
		img  oci.Image
		want bool
	}{
		"a tag alone":                 {oci.Image{Origin: Operator, Source: byDigest.WithTag("2.3")}, true},
		"a digest alone":              {oci.Image{Origin: Additional, Source: byDigest, Reasons: pod}, false},
		"both":                        {oci.Image{Origin: Additional, Source: both, Tags: tags}, true},
		"both, another in the mirror": {oci.Image{Origin: Additional, Source: both, Tags: []string{"x"}}, false},
		"a tag of the mirror's own":   {oci.Image{Origin: Additional, Source: byDigest, Tags: tags}, false},
		"both, of an operator":        {oci.Image{Origin: Operator, Source: both, Tags: tags}, false},
		"both, and pods":              {oci.Image{Origin: Operator, Source: both, Tags: tags, Reasons: pod}, true},
		"pods, and a tag for them":    {oci.Image{Origin: Pod, Source: byDigest, Tags: tags, Reasons: pod[1:]}, true},
	} {
		if got := PulledByTag(c.img); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
