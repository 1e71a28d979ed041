package manifests_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
)

const header = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\n"

// TestLoad puts together what a configuration is made of.
func TestLoad(t *testing.T) {
	t.Parallel()
	const release = header + "mirror: {platform: {release: 'quay.io/ocp/rel:v'}}\n"
	const template = header + "mirror: {operators: [{catalog: 'a.io/c:v1', targetCatalogSourceTemplate: t.yaml}]}\n"
	pods := filepath.Join(t.TempDir(), "pods.json")
	if err := os.WriteFile(pods, []byte(`{"kind":"List","items":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"t.yaml": "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nspec: {displayName: x}\n", "pods.json": "{}", "key": "no key"}
	for _, tc := range []struct {
		name, data, env, want string
		extra                 manifests.Extra
		check                 func(*manifests.Config) bool
	}{
		{"plain", release, "", "", manifests.Extra{}, func(c *manifests.Config) bool { return c.Extra.SignatureURL == "" && c.Extra.UpdateURL == "" }},
		{"environment", release, "UPDATE_URL_OVERRIDE=https://g.example/graph OCP_SIGNATURE_URL=https://s.example/x", "", manifests.Extra{},
			func(c *manifests.Config) bool {
				return c.Extra.SignatureURL == "https://s.example/x" && c.Extra.UpdateURL == "https://g.example/graph"
			}},
		{"store that is not asked", template, "OCP_SIGNATURE_URL=nothing", "", manifests.Extra{}, func(c *manifests.Config) bool { return len(c.Extra.Templates) == 1 }},
		{"wrong store", release, "OCP_SIGNATURE_URL=nothing", "OCP_SIGNATURE_URL: it is not an http or https address", manifests.Extra{}, nil},
		{"wrong key", release, "OCP_SIGNATURE_VERIFICATION_PK=key", "OCP_SIGNATURE_VERIFICATION_PK: read public key key: ", manifests.Extra{}, nil},
		{"no key", release, "OCP_SIGNATURE_VERIFICATION_PK=none", "OCP_SIGNATURE_VERIFICATION_PK: read public key none: ", manifests.Extra{}, nil},
		{"ignored", release, "OCP_SIGNATURE_VERIFICATION_PK=none", "", manifests.Extra{IgnoreReleaseSignature: true}, func(*manifests.Config) bool { return true }},
		{"no template", strings.Replace(template, "t.yaml", "u.yaml", 1), "", "f.yaml:3:", manifests.Extra{}, nil},
		{"no pods", release, "", "read pods from " + pods + ": there is no pod in it", manifests.Extra{PodFiles: []string{pods}}, nil},
		{"samples", header + "mirror: {samples: [{name: x}]}\n", "", "f.yaml:3:10: mirror.samples: ", manifests.Extra{}, nil},
		{"nothing", header + "mirror: {}\n", "", "f.yaml:3:9: there is nothing to carry", manifests.Extra{}, nil},
		{"not a configuration", "{", "", "f.yaml:1:", manifests.Extra{}, nil},
	} {
		c, err := manifests.Load(manifests.Request{Name: "f.yaml", Data: []byte(tc.data), Extra: tc.extra,
			Getenv: func(name string) string {
				for _, v := range strings.Fields(tc.env) {
					if value, ok := strings.CutPrefix(v, name+"="); ok {
						return value
					}
				}
				return ""
			},
			ReadFile: func(name string) ([]byte, error) {
				if body, ok := files[name]; ok {
					return []byte(body), nil
				}
				return nil, os.ErrNotExist
			}})
		switch {
		case tc.want == "" && (err != nil || !tc.check(c)):
			t.Errorf("%s: %+v, %v", tc.name, c, err)
		case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
		var input *manifests.InputError
		if errors.As(err, &input) && (input.Hint() == "" || !input.Permanent()) {
			t.Errorf("%s: no hint", tc.name)
		}
	}
}
