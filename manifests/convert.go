package manifests

import "github.com/satchel-airgap/satchel/manifests/internal/imageset"

// AdviceConvert is the hint of a [ConfigError] about a file that [Convert] rewrites.
const AdviceConvert = imageset.AdviceConvert

// Convert rewrites an ImageSetConfiguration of v1alpha2 as v2alpha1; name is the file's
// name for messages. changes lists what is not as it was. The error joins what is still
// wrong in the result, which is given too; without a result, the file cannot be rewritten.
func Convert(name string, data []byte) (out []byte, changes []*ConfigError, err error) {
	return imageset.Convert(name, data)
}
