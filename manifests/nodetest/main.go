// Nodetest writes the registries.conf that a node gets of a cluster's
// ImageContentSourcePolicies, with the code that nodes get it from.
//
//	go run ./manifests/nodetest INSECURE [POLICY.yaml ...]
//
// INSECURE is a registry without TLS, as image.config's insecureRegistries has
// it. The file goes to standard output.
//
// Tests run it as a program: the modules that it needs and those of package
// transport define the same C symbols and cannot be linked together.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/BurntSushi/toml"
	"github.com/containers/image/v5/pkg/sysregistriesv2"
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
	rules, err := policies(args[1:])
	if err != nil {
		return err
	}
	conf := sysregistriesv2.V2RegistriesConf{UnqualifiedSearchRegistries: []string{"registry.access.redhat.com", "docker.io"}}
	if err := registries.EditRegistriesConfig(&conf, args[:1], nil, rules, nil, nil); err != nil {
		return err
	}
	return toml.NewEncoder(out).Encode(conf)
}

func policies(files []string) (list []*v1alpha1.ImageContentSourcePolicy, err error) {
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var p v1alpha1.ImageContentSourcePolicy
		if err := yaml.UnmarshalStrict(body, &p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if p.Kind != "ImageContentSourcePolicy" || p.APIVersion != "operator.openshift.io/v1alpha1" {
			return nil, fmt.Errorf("%s is a %s of %s", name, p.Kind, p.APIVersion)
		}
		list = append(list, &p)
	}
	return list, nil
}
