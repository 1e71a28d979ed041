package site

// RegistryCA is a ConfigMap of registry authorities, as image.config names one.
type RegistryCA struct {
	Name       string
	Data       map[string]string // HOST or HOST..PORT -> PEM
	BinaryData map[string]string // the same in base64; rare
}

// ParseRegistryCA reads a ConfigMap of registry authorities, as
// "oc get configmap NAME -n openshift-config -o yaml" (or json) prints it. Errors
// are *[imageset.ConfigError]s.
func ParseRegistryCA(file string, data []byte) (*RegistryCA, error) {
	var in struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	p, err := peek(file, data, &in)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Kind != "ConfigMap":
		p.Add("kind", "this is not a ConfigMap; the registries' authorities are in one")
	case len(in.Metadata.Name) > 253 || !namePattern.MatchString(in.Metadata.Name):
		p.Add("metadata.name", "metadata.name is missing or is not the name of a ConfigMap")
	case in.Metadata.Namespace != "" && in.Metadata.Namespace != "openshift-config":
		p.Add("metadata.namespace", "image.config takes its ConfigMap from the namespace openshift-config; this one is from another namespace")
	}
	ca := &RegistryCA{Name: in.Metadata.Name, Data: texts(p, data, "data"), BinaryData: texts(p, data, "binaryData")}
	if err := p.Join(); err != nil {
		return nil, err
	}
	return ca, nil
}
