// Nodetest writes the registries.conf that a node gets of a cluster's
// ImageContentSourcePolicies, ImageDigestMirrorSets and ImageTagMirrorSets, with the
// code that nodes get it from. Its tests compare that with what satchel writes.
//
//	go run -C manifests/nodetest . INSECURE [OBJECT.yaml ...]
//
// INSECURE is a registry without TLS, as image.config's insecureRegistries has
// it. The file goes to standard output.
//
// It is a module of its own: the modules that it needs and those of package
// transport define the same C symbols and cannot be linked together, and they
// are too old to be required by satchel itself.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/BurntSushi/toml"
	"github.com/containers/image/v5/pkg/sysregistriesv2"
	configv1 "github.com/openshift/api/config/v1"
	"github.com/openshift/api/operator/v1alpha1"
	"github.com/openshift/runtime-utils/pkg/registries"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "nodetest:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("nodetest INSECURE [OBJECT.yaml ...]")
	}
	var all objects
	for _, name := range args[1:] {
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := all.add(body); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	conf, err := confOf(args[:1], nil, all.icsps, all.idms, all.itms)
	if err != nil {
		return err
	}
	_, err = out.Write(conf)
	return err
}

// registriesConf is what the machine config operator makes of its template, the
// policies and image.config's registrySources, by the package that it calls.
func registriesConf(insecure, blocked []string, rules []*v1alpha1.ImageContentSourcePolicy) ([]byte, error) {
	return confOf(insecure, blocked, rules, nil, nil)
}

// confOf is registriesConf for objects of all kinds.
func confOf(insecure, blocked []string, rules []*v1alpha1.ImageContentSourcePolicy, idms []*configv1.ImageDigestMirrorSet, itms []*configv1.ImageTagMirrorSet) ([]byte, error) {
	conf := sysregistriesv2.V2RegistriesConf{UnqualifiedSearchRegistries: []string{"registry.access.redhat.com", "docker.io"}}
	if err := registries.EditRegistriesConfig(&conf, insecure, blocked, rules, idms, itms); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(conf)
	return b.Bytes(), err
}

// objects are those of a cluster that have rules.
type objects struct {
	icsps []*v1alpha1.ImageContentSourcePolicy
	idms  []*configv1.ImageDigestMirrorSet
	itms  []*configv1.ImageTagMirrorSet
}

// add reads one object, strictly.
func (o *objects) add(body []byte) error {
	var is metav1.TypeMeta
	if err := yaml.Unmarshal(body, &is); err != nil {
		return err
	}
	switch is {
	case metav1.TypeMeta{Kind: "ImageContentSourcePolicy", APIVersion: "operator.openshift.io/v1alpha1"}:
		o.icsps = append(o.icsps, &v1alpha1.ImageContentSourcePolicy{})
		return yaml.UnmarshalStrict(body, o.icsps[len(o.icsps)-1])
	case metav1.TypeMeta{Kind: "ImageDigestMirrorSet", APIVersion: "config.openshift.io/v1"}:
		o.idms = append(o.idms, &configv1.ImageDigestMirrorSet{})
		return yaml.UnmarshalStrict(body, o.idms[len(o.idms)-1])
	case metav1.TypeMeta{Kind: "ImageTagMirrorSet", APIVersion: "config.openshift.io/v1"}:
		o.itms = append(o.itms, &configv1.ImageTagMirrorSet{})
		return yaml.UnmarshalStrict(body, o.itms[len(o.itms)-1])
	}
	return fmt.Errorf("it is a %s of %s", is.Kind, is.APIVersion)
}
