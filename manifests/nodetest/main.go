// Nodetest writes the registries.conf that a node gets of a cluster's
// ImageContentSourcePolicies, with the code that nodes get it from. Its tests
// compare that with what satchel writes.
//
//	go run -C manifests/nodetest . INSECURE [POLICY.yaml ...]
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
		return errors.New("nodetest INSECURE [POLICY.yaml ...]")
	}
	var rules []*v1alpha1.ImageContentSourcePolicy
	for _, name := range args[1:] {
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		p, err := policy(body)
		if err != nil {
			return fmt.Errorf("read policy %s: %w", name, err)
		}
		rules = append(rules, p)
	}
	conf, err := registriesConf(args[:1], nil, rules)
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

func policy(body []byte) (*v1alpha1.ImageContentSourcePolicy, error) {
	p := &v1alpha1.ImageContentSourcePolicy{}
	if err := yaml.UnmarshalStrict(body, p); err != nil {
		return nil, err
	}
	if p.Kind != "ImageContentSourcePolicy" || p.APIVersion != "operator.openshift.io/v1alpha1" {
		return nil, fmt.Errorf("it is a %s of %s", p.Kind, p.APIVersion)
	}
	return p, nil
}
