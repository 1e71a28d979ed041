package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// imagesAt has one image under each reference.
func imagesAt(refs ...string) *asktest.Images {
	f := asktest.NewImages()
	for _, ref := range refs {
		f.Refs[ref] = f.PutImage("linux/amd64", ref)
	}
	return f
}

// places writes an inventory as "SOURCE PATH TAGS".
func places(inv *oci.Inventory) (list []string) {
	for _, img := range inv.Images {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", img.Source, img.Path, strings.Join(img.Tags, ","))))
	}
	return list
}

func TestTargets(t *testing.T) {
	f := imagesAt("a.io/b:c", "a.io/d/e:f")
	digest := f.PutImage("linux/amd64", "by digest")
	pinned := "a.io/g@" + digest.Digest.String()
	f.Refs[pinned] = digest
	in := asktest.Head + `mirror:
  additionalImages:
  - {name: 'a.io/b:c'}
  - {name: 'a.io/b:c', targetTag: stable}
  - {name: 'a.io/b:c', targetRepo: mine/b}
  - {name: 'a.io/d/e:f', targetRepo: d/e, targetTag: g}
  - {name: '` + pinned + `', targetTag: v7}
`
	c, err := Parse("f.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Resolve(t.Context(), c, f)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.io/b:c  c,stable", "a.io/b:c mine/b c", "a.io/d/e:f  g", pinned + "  v7"}
	if got := places(inv); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := (oci.Mirror{Host: "m.example"}).CheckCollisions(inv); err != nil {
		t.Error(err)
	}
}

func TestCatalogTargets(t *testing.T) {
	for target, want := range map[string]string{
		"":                                     "a.io/catalog:v1  v1",
		"targetTag: t":                         "a.io/catalog:v1  t",
		"targetCatalog: mine/ix":               "a.io/catalog:v1 mine/ix v1",
		"targetCatalog: mine/ix, targetTag: t": "a.io/catalog:v1 mine/ix t",
	} {
		h := asktest.NewCatalogs()
		h.PutCatalog(t, "a.io/catalog:v1", asktest.TestFiles())
		inv, err := Resolve(t.Context(), asktest.ParseOperators(t, "  - catalog: 'a.io/catalog:v1'\n    "+strings.ReplaceAll(target, ", ", "\n    ")+"\n"), h)
		if err != nil {
			t.Fatal(err)
		}
		if got := places(inv); !slices.Contains(got, want) || len(got) < 3 {
			t.Errorf("%s: got %q, want %q among others", target, got, want)
		}
		inv.Images = slices.DeleteFunc(inv.Images, func(i oci.Image) bool { return i.Origin != origin.Catalog })
		files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}})
		at := "m.example/" + strings.Fields(strings.Replace(want, "a.io/catalog:v1  ", "a.io/catalog:v1 catalog ", 1))[1] + "@" + inv.Images[0].Root.Digest.String()
		if err != nil || !slices.ContainsFunc(files, func(f File) bool {
			return strings.HasPrefix(f.Name, "catalogsource-") && strings.Contains(string(f.Body), "image: "+at+"\n")
		}) {
			t.Errorf("%s: no CatalogSource with %s, %v", target, at, err)
		}
	}
}

func TestBlocked(t *testing.T) {
	refs := []string{"a.io/aws/one:v1", "a.io/b/two:v1", "c.io/b/two:v1"}
	tests := []struct {
		name, patterns, want string
		notes                []string
	}{
		{"none", "[]", "a.io/aws/one:v1 a.io/b/two:v1 c.io/b/two:v1", nil},
		{"unanchored", "[{name: '(aws|gcp)'}]", "a.io/b/two:v1 c.io/b/two:v1", []string{`mirror.blockedImages[0] "(aws|gcp)" leaves out 1 image: a.io/aws/one:v1`}},
		{"anchored at the source", "[{name: '^a.io/'}]", "c.io/b/two:v1", []string{`mirror.blockedImages[0] "^a.io/" leaves out 2 images: a.io/aws/one:v1, a.io/b/two:v1`}},
		{"anchored at the place", "[{name: '^b/two:v1$'}]", "a.io/aws/one:v1", []string{`mirror.blockedImages[0] "^b/two:v1$" leaves out 2 images: a.io/b/two:v1, c.io/b/two:v1`}},
		{"never", "[{name: ibm}, {name: 'one:v1$'}]", "a.io/b/two:v1 c.io/b/two:v1",
			[]string{`mirror.blockedImages[0] "ibm" matches no image`, `mirror.blockedImages[1] "one:v1$" leaves out 1 image: a.io/aws/one:v1`}},
		{"a transport", "[{name: '^docker://'}]", "a.io/aws/one:v1 a.io/b/two:v1 c.io/b/two:v1", []string{`mirror.blockedImages[0] "^docker://" matches no image`}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			in := asktest.Head + "mirror:\n  blockedImages: " + tc.patterns + "\n  additionalImages: [{name: '" + strings.Join(refs, "'}, {name: '") + "'}]\n"
			c, err := Parse("f.yaml", []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			f := imagesAt(refs...)
			inv, err := Resolve(t.Context(), c, f)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, img := range inv.Images {
				got = append(got, img.Source.String())
			}
			if strings.Join(got, " ") != tc.want || strings.Join(f.Asked, " ") == strings.Join(refs, " ") && tc.notes != nil && len(got) < len(refs) {
				t.Errorf("got %q, asked %q, want %s", got, f.Asked, tc.want)
			}
			if !slices.Equal(f.Notes, tc.notes) {
				t.Errorf("notes %q, want %q", f.Notes, tc.notes)
			}
		})
	}
}

// TestBlockedGaps leaves out what was not available anyway, and nothing is an error.
func TestBlockedGaps(t *testing.T) {
	in := asktest.Head + "mirror:\n  platform: {release: 'a.io/release:v1'}\n  blockedImages: [{name: release}]\n  additionalImages: [{name: 'a.io/b:c'}]\n"
	c, err := Parse("f.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if inv, err := Resolve(t.Context(), c, imagesAt("a.io/b:c")); err != nil || len(inv.Images) != 1 {
		t.Errorf("got %v, %v", inv, err)
	}
	c.Mirror.BlockedImages[0].Name = "."
	var ce *ConfigError
	if _, err := Resolve(t.Context(), c, imagesAt("a.io/b:c")); !errors.As(err, &ce) || err.Error() != "f.yaml:5:3: mirror.blockedImages leaves out every image: there is nothing to carry" {
		t.Errorf("got %v", err)
	}
}

// TestBlockedRelease blocks components by their names in the mirror, which is all
// that distinguishes them (aws-d and etcd are the same image), and warns loudly
// about the payload itself.
func TestBlockedRelease(t *testing.T) {
	m := asktest.NewRegistry()
	m.At("q.example/release:v1", m.PutPayload(t, "4.18.1", "amd64", m.Components("aws-a", "aws-b", "aws-c", "aws-d", "etcd")))
	c := asktest.ReleaseConfig(t, "q.example/release:v1")
	c.Mirror.BlockedImages = []BlockedImage{{Name: "-aws-"}}
	inv, err := Resolve(t.Context(), c, m)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(places(inv), "\n")
	if len(inv.Images) != 2 || !strings.Contains(got, "openshift/release 4.18.1-x86_64-etcd") {
		t.Errorf("got %s", got)
	}
	if len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "leaves out 4 images: ") || !strings.HasSuffix(m.Notes[0], " and 1 more") || !strings.Contains(m.Notes[0], "(release 4.18.1 x86_64: aws-") {
		t.Errorf("notes %q", m.Notes)
	}
	m.Notes, c.Mirror.BlockedImages = nil, []BlockedImage{{Name: "release-images"}}
	inv, err = Resolve(t.Context(), c, m)
	if err != nil || len(inv.Images) != 4 {
		t.Fatalf("got %v, %v", inv, err)
	}
	if len(m.Notes) != 2 || !strings.Contains(m.Notes[0], "leaves out q.example/release:v1, a release's payload: ") {
		t.Errorf("notes %q", m.Notes)
	}
}
