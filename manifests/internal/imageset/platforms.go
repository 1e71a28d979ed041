package imageset

import (
	"github.com/satchel-airgap/satchel/oci/text"
)

// PlatformNames writes platforms as os/architecture, sorted; nil for none, which is
// all of them.
func PlatformNames(list []InstancePlatform) (names []string) {
	for _, p := range list {
		names = append(names, p.OS+"/"+p.Architecture)
	}
	return text.Sorted(names)
}
