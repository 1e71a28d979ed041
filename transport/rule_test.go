package transport

import (
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestRuledOut: a registry that has taken other content of a repository, and answers 403 to one
// tag or manifest of it, has a rule for that; who may push there is not the question.
func TestRuledOut(t *testing.T) {
	t.Parallel()
	content := ocitest.New(34)
	root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
	for name, c := range map[string]struct {
		refuses func(reference string) bool
		before  bool // the image is there by another tag
		want    Trouble
	}{
		"the tag":               {func(ref string) bool { return ref == "1" }, false, TroubleRule},
		"the tag, no part sent": {func(ref string) bool { return ref == "1" }, true, TroubleRule},
		"the manifest":          {func(string) bool { return true }, false, TroubleRule},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
			inv := images(map[string]oci.Descriptor{"a": root})
			if c.before {
				if err := ocitest.Push(t.Context(), content, root, "http://"+p.Host, "mirror/team/a", oci.DigestTag(root.Digest)); err != nil {
					t.Fatal(err)
				}
			}
			m := mirrorAt(insecure(t), p.Host, 2)
			missing, err := m.Missing(t.Context(), content, inv)
			if err != nil {
				t.Fatal(err)
			}
			p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				return registrytest.Kind(r) == "PUT manifest" && c.refuses(path.Base(r.URL.Path)) && refuse(w, r, http.StatusForbidden, "DENIED", "not this one")
			}
			err = errors.Join(m.Blobs(t.Context(), content, slices.Values(missing.Blobs)), m.Manifests(t.Context(), content, missing.Images))
			var answer *RegistryError
			if !errors.As(err, &answer) || answer.Trouble() != c.want || strings.Contains(answer.Hint(), "credentials") || !strings.Contains(answer.Hint(), "rules") {
				t.Errorf("%v", err)
			}
		})
	}
	// Where nothing was taken, it may be a matter of credentials.
	p := registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method != http.MethodGet && r.Method != http.MethodHead && refuse(w, r, http.StatusForbidden, "DENIED", "not you")
	}
	var answer *RegistryError
	if err := mirrorAt(insecure(t), p.Host, 2).Manifests(t.Context(), content, images(map[string]oci.Descriptor{"a": root}).Images); !errors.As(err, &answer) || answer.Trouble() != TroubleForbidden {
		t.Errorf("%v", err)
	}
}
