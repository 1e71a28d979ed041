package prepare_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// catalog pushes a catalog of one package with one bundle, which runs one image.
func catalog(t *testing.T, b *jobtest.Bench, name string) {
	t.Helper()
	c := b.Content
	image := func(what string) string {
		root := c.Image(true, c.Layer(10<<10, ocitest.LayerGzip))
		tagged := b.Push(root, name+"/"+what, "v1")
		return strings.TrimSuffix(tagged, ":v1") + "@" + root.Digest.String()
	}
	body := fmt.Sprintf(`{"schema":"olm.package","name":%[1]q,"defaultChannel":"stable"}
{"schema":"olm.channel","package":%[1]q,"name":"stable","entries":[{"name":"%[1]s.v1.0.0"}]}
{"schema":"olm.bundle","package":%[1]q,"name":"%[1]s.v1.0.0","image":%[2]q,"relatedImages":[{"name":"op","image":%[3]q}],
 "properties":[{"type":"olm.package","value":{"packageName":%[1]q,"version":"1.0.0"}}]}
`, name, image("bundle"), image("operator"))
	root, err := c.Catalog("amd64", map[string][]byte{name + "/catalog.json": []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	b.Push(root, "cat/"+name, "v1")
}

// TestOnlyCatalog: a gap list that names a catalog brings the catalog and its operators,
// and nothing of the other catalog; one that names an image brings that alone.
func TestOnlyCatalog(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name, away string
		want       []string
	}{
		{"the second catalog", "cat/two", []string{"cat/two:v1", "two/bundle:", "two/operator:"}},
		{"the first catalog", "cat/one", []string{"cat/one:v1", "one/bundle:", "one/operator:"}},
		{"an image", "two/operator", []string{"two/operator:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := jobtest.New(t, uint64(31+i))
			catalog(t, b, "one")
			catalog(t, b, "two")
			app := b.Push(b.Content.Image(true, b.Content.Layer(1000, ocitest.LayerTar)), "team/app", "v1")
			set := jobtest.Images(app) + fmt.Sprintf("  operators:\n  - catalog: %[1]s/cat/one:v1\n    packages: [{name: one}]\n  - catalog: %[1]s/cat/two:v1\n    packages: [{name: two}]\n", b.Proxy.Host)
			b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/v2/"+c.away+"/manifests/") {
					return false
				}
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			o := b.Prepare(set)
			o.KeepGoing = true
			first := prepared(t, o)
			if len(first.Gaps.Images) != 1 || first.Gaps.Images[0].Image.Source.Repository != c.away {
				t.Fatalf("gaps %+v", first.Gaps.Images)
			}
			b.Proxy.Answer = nil
			o = b.Prepare(set)
			o.Only = &gaps.List{Images: first.Gaps.Images}
			if got := jobtest.Repos(prepared(t, o).Graph.Images); !slices.Equal(got, c.want) {
				t.Errorf("carried are %v, want %v", got, c.want)
			}
		})
	}
}

func prepared(t *testing.T, o prepare.Options) *prepare.Set {
	t.Helper()
	s := prepare.New(o)
	t.Cleanup(s.Close)
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDropReadsNothing drops images after their manifests were read: nothing is read
// again, from the registry or the cache, and what is attached to them goes with them.
func TestDropReadsNothing(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 41)
	c := b.Content
	shared, gone := c.Layer(20<<10, ocitest.LayerGzip), c.Layer(30<<10, ocitest.LayerGzip)
	one, two := c.Image(true, shared), c.Image(true, shared, gone)
	refs := []string{b.Push(one, "team/one", "v1"), b.Push(two, "team/two", "v1"),
		b.Push(c.Image(true, c.Layer(1000, ocitest.LayerTar)), "team/two", "sha256-"+two.Digest.Encoded()+".sig")}
	o := b.Prepare(jobtest.Images(refs[:2]...))
	o.KeepGoing = true
	s := prepared(t, o)
	if got := jobtest.Repos(s.Graph.Images); len(got) != 3 {
		t.Fatalf("carried are %v", got)
	}
	yaml, err := s.ClusterYAML(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.ClusterYAML(t.Context()); err != nil || again != yaml {
		t.Errorf("the YAML is rendered twice for the same images, %v", err)
	}
	b.Proxy.Reset()
	for _, n := range s.Graph.Blobs {
		if n.Descriptor.Digest == gone.Digest {
			if err := s.Tolerate(t.Context(), s.Lost(t.Context(), n, &oci.DigestError{})); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if got := jobtest.Repos(s.Graph.Images); !slices.Equal(got, []string{"team/one:v1"}) || len(s.Graph.Blobs) != 2 || len(s.Gaps.Images) != 1 {
		t.Errorf("carried are %v with %d blobs, gaps %+v", got, len(s.Graph.Blobs), s.Gaps.Images)
	}
	if asked := b.Proxy.Requests(); len(asked) > 0 {
		t.Errorf("dropping asks for %v", asked)
	}
	if other, err := s.ClusterYAML(t.Context()); err != nil || other == yaml {
		t.Errorf("the YAML is of the images before, %v", err)
	}
}
