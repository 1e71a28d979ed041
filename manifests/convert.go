package manifests

import "github.com/satchel-airgap/satchel/manifests/internal/imageset"

// AdviceConvert is the hint of a [ConfigError] about a file that [Convert] rewrites.
const AdviceConvert = imageset.AdviceConvert

// Convert rewrites an ImageSetConfiguration of v1alpha2 as v2alpha1; name is the file's
// name for messages. changes lists what is not as it was. The error joins what is wrong
// beyond that; there is a result only without one. All places are those of the file.
func Convert(name string, data []byte) (out []byte, changes []*ConfigError, err error) {
	return imageset.Convert(name, data)
}
