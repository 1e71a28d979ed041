package manifests_test

import (
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests"
)

// A mistake is reported with its place in the file.
func ExampleParse() {
	_, err := manifests.Parse("imageset.yaml", []byte(`kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v2alpha1
mirror:
  additionalImages:
  - nam: registry.example.com/app:1.0
`))
	var first *manifests.ConfigError
	if errors.As(err, &first) {
		fmt.Println(first)
	}
	// Output: imageset.yaml:5:5: unknown key "nam" in mirror.additionalImages[0]; did you mean "name"?
}

// Load reads what belongs to a configuration too, and checks that it is supported.
func ExampleLoad() {
	cfg, err := manifests.Load(manifests.Request{
		Name: "imageset.yaml",
		Data: []byte(`kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v2alpha1
mirror:
  platform:
    channels:
    - name: stable-4.18
`),
		Getenv: func(name string) string { // os.Getenv in a program
			return map[string]string{manifests.EnvUpdateURL: "https://graph.example.com/graph"}[name]
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Mirror.Platform.Channels[0].Name, "from", cfg.Extra.UpdateURL)
	// Output: stable-4.18 from https://graph.example.com/graph
}
