package manifests

// PullSecret is a cluster's global pull secret, checked. It keeps every field of
// every entry as it was written.
type PullSecret struct{}

// RegistryCA is a ConfigMap of registry authorities, as image.config names one.
type RegistryCA struct {
	Name string
	Data map[string]string // HOST or HOST..PORT -> PEM
}

// ImageConfig is what image.config.openshift.io/cluster says now.
type ImageConfig struct {
	TrustedCA string // name of the ConfigMap in openshift-config; may be empty
	Sources   RegistrySources
}

// RegistrySources are the image.config's spec.registrySources.
type RegistrySources struct {
	Insecure []string `json:"insecureRegistries"`
	Blocked  []string `json:"blockedRegistries"`
	Allowed  []string `json:"allowedRegistries"`
}

// ParsePullSecret reads a pull secret: .dockerconfigjson as downloaded, or as a
// Secret in YAML or JSON. file is its name for messages. Whatever is wrong is a
// *[ConfigError] with its place, and holds nothing of what the file says.
func ParsePullSecret(file string, data []byte) (*PullSecret, error) { return nil, nil }

// ParseRegistryCA reads a ConfigMap of registry authorities, as
// "oc get configmap NAME -n openshift-config -o yaml" (or json) prints it. Errors
// are *[ConfigError]s.
func ParseRegistryCA(file string, data []byte) (*RegistryCA, error) { return nil, nil }

// ParseImageConfig reads what "oc get image.config.openshift.io/cluster -o yaml"
// (or json) prints. Errors are *[ConfigError]s.
func ParseImageConfig(file string, data []byte) (*ImageConfig, error) { return nil, nil }
