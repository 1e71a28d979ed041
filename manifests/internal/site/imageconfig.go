package site

import (
	"fmt"
	"strings"
)

// ImageConfig is the cluster's present image.config.openshift.io/cluster.
type ImageConfig struct {
	TrustedCA string // name of the ConfigMap in openshift-config; may be empty
	Sources   RegistrySources
}

// RegistrySources are image.config's spec.registrySources: each entry is
// HOST[:PORT][/PATH] or *.DOMAIN, or names one image by its tag or digest.
type RegistrySources struct {
	Insecure []string `json:"insecureRegistries"`
	Blocked  []string `json:"blockedRegistries"`
	Allowed  []string `json:"allowedRegistries"`
}

// ParseImageConfig reads what "oc get image.config.openshift.io/cluster -o yaml"
// (or json) prints. Errors are *[imageset.ConfigError]s.
func ParseImageConfig(file string, data []byte) (*ImageConfig, error) {
	var in struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			AdditionalTrustedCA struct {
				Name string `json:"name"`
			} `json:"additionalTrustedCA"`
			Sources RegistrySources `json:"registrySources"`
		} `json:"spec"`
	}
	p, err := peek(file, data, &in)
	if err != nil {
		return nil, err
	}
	name := in.Spec.AdditionalTrustedCA.Name
	switch {
	case in.Kind != "Image" || !strings.HasPrefix(in.APIVersion, "config.openshift.io/"):
		p.Add("kind", "this is another object; it must be image.config.openshift.io/cluster")
	case name != "" && (len(name) > 253 || !namePattern.MatchString(name)):
		p.Add("spec.additionalTrustedCA.name", "spec.additionalTrustedCA.name is not the name of a ConfigMap")
	}
	src := in.Spec.Sources
	for _, list := range []struct {
		name    string
		entries []string
	}{{"insecureRegistries", src.Insecure}, {"blockedRegistries", src.Blocked}, {"allowedRegistries", src.Allowed}} {
		for i, entry := range list.entries {
			if path := fmt.Sprintf("spec.registrySources.%s[%d]", list.name, i); !scopePattern().MatchString(entry) {
				p.Add(path, "%s is neither HOST[:PORT][/PATH] nor *.DOMAIN", path)
			}
		}
	}
	if err := p.Join(); err != nil {
		return nil, err
	}
	return &ImageConfig{TrustedCA: name, Sources: src}, nil
}
