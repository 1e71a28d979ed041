package emit

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

var (
	// namePattern is a DNS-1123 subdomain, as names of ConfigMaps are.
	namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	// keyPattern is a key of a ConfigMap (Kubernetes, "ConfigMaps").
	keyPattern = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
	// scopePattern is an entry of registrySources: HOST[:PORT][/PATH[:TAG or @DIGEST]] or *.DOMAIN.
	scopePattern = regexp.MustCompile(`^(\*\.[A-Za-z0-9.-]+|([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/([A-Za-z0-9._/-]*|[A-Za-z0-9._/-]*[A-Za-z0-9](:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})))?)$`)
)

// RegistryCA is a ConfigMap of registry authorities, as image.config names one.
type RegistryCA struct {
	Name       string
	Data       map[string]string // HOST or HOST..PORT -> PEM
	BinaryData map[string]string // the same in base64; rare
}

// ImageConfig is what image.config.openshift.io/cluster says now.
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
		p.Add("kind", "this is no ConfigMap; registry authorities are in one")
	case len(in.Metadata.Name) > 253 || !namePattern.MatchString(in.Metadata.Name):
		p.Add("metadata.name", "metadata.name is missing or is no name of a ConfigMap")
	case in.Metadata.Namespace != "" && in.Metadata.Namespace != "openshift-config":
		p.Add("metadata.namespace", "image.config takes its ConfigMap from the namespace openshift-config; this is from another")
	}
	ca := &RegistryCA{Name: in.Metadata.Name, Data: texts(p, data, "data"), BinaryData: texts(p, data, "binaryData")}
	if err := p.Join(); err != nil {
		return nil, err
	}
	return ca, nil
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
		p.Add("kind", "this is another object; image.config.openshift.io/cluster is wanted")
	case name != "" && (len(name) > 253 || !namePattern.MatchString(name)):
		p.Add("spec.additionalTrustedCA.name", "spec.additionalTrustedCA.name is no name of a ConfigMap")
	}
	src := in.Spec.Sources
	for _, list := range []struct {
		name    string
		entries []string
	}{{"insecureRegistries", src.Insecure}, {"blockedRegistries", src.Blocked}, {"allowedRegistries", src.Allowed}} {
		for i, entry := range list.entries {
			if path := fmt.Sprintf("spec.registrySources.%s[%d]", list.name, i); !scopePattern.MatchString(entry) {
				p.Add(path, "%s is neither HOST[:PORT][/PATH] nor *.DOMAIN", path)
			}
		}
	}
	if err := p.Join(); err != nil {
		return nil, err
	}
	return &ImageConfig{TrustedCA: name, Sources: src}, nil
}

// peek reads the fields that into has, and passes over the others. Its errors
// have the place and nothing of what the file says: it may be the wrong file, with
// secrets in it.
func peek(file string, data []byte, into any) (*imageset.Problems, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: "the file is empty"}
	}
	doc, err := strict.Parse(data)
	if err != nil {
		return nil, silently(file, err, "this is not what oc prints: one object in YAML or JSON")
	}
	places, err := doc.Peek(into)
	if err != nil {
		return nil, silently(file, err, "this field is of another type, or is there twice")
	}
	return imageset.NewProblems(file, places), nil
}

// silently gives the places of errors, all with one message.
func silently(file string, err error, msg string) error {
	var list []error
	for _, e := range strict.Errors(err) {
		list = append(list, &imageset.ConfigError{File: file, Line: e.Line, Column: e.Column, Msg: msg})
	}
	if list == nil {
		list = append(list, &imageset.ConfigError{File: file, Line: 1, Column: 1, Msg: msg})
	}
	return errors.Join(list...)
}

// texts reads a ConfigMap's mapping of keys to texts; nil where it is absent.
func texts(p *imageset.Problems, data []byte, field string) map[string]string {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		p.AddAt(strict.Pos{Line: 1, Column: 1}, "", "%s cannot be read", field)
		return nil
	}
	var found *yaml.Node
	for i, n := range doc.Content[0].Content {
		if i%2 == 0 && n.Value == field {
			found = doc.Content[0].Content[i+1]
		}
	}
	if found == nil || found.ShortTag() == "!!null" {
		return nil
	}
	at := func(n *yaml.Node) strict.Pos { return strict.Pos{Line: n.Line, Column: n.Column} }
	if found.Kind != yaml.MappingNode {
		p.AddAt(at(found), "", "%s wants a mapping of keys to text", field)
		return nil
	}
	list := map[string]string{}
	for i := 0; i+1 < len(found.Content); i += 2 {
		key, val := found.Content[i], found.Content[i+1]
		_, twice := list[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !keyPattern.MatchString(key.Value):
			p.AddAt(at(key), "", "this is no key of a ConfigMap")
		case twice:
			p.AddAt(at(key), "", "this key is in %s twice", field)
		case val.Kind != yaml.ScalarNode || val.ShortTag() != "!!str":
			p.AddAt(at(val), "", "a value of %s wants to be text", field)
		default:
			list[key.Value] = val.Value
		}
	}
	return list
}
