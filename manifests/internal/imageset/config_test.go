package imageset

import "testing"

func TestDigest(t *testing.T) {
	t.Parallel()
	parse := func(in string) *Config {
		t.Helper()
		c, err := Parse("f.yaml", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const body = "mirror:\n  additionalImages:\n  - name: a.io/b:c\n  - name: d.io/e:f\n"
	base := parse(header + body)
	same := map[string]string{
		"comments":       "# top\n" + header + "mirror: # here\n  additionalImages:\n  - name: a.io/b:c # one\n  - name: d.io/e:f\n",
		"key order":      "mirror:\n  additionalImages:\n  - name: a.io/b:c\n  - name: d.io/e:f\napiVersion: mirror.openshift.io/v2alpha1\nkind: ImageSetConfiguration\n",
		"key case":       "Kind: ImageSetConfiguration\nAPIVERSION: mirror.openshift.io/v2alpha1\nMirror:\n  additionalimages:\n  - NAME: a.io/b:c\n  - name: d.io/e:f\n",
		"flow style":     `{"kind": "ImageSetConfiguration", "apiVersion": "mirror.openshift.io/v2alpha1", "mirror": {"additionalImages": [{"name": "a.io/b:c"}, {"name": "d.io/e:f"}]}}`,
		"image order":    header + "mirror:\n  additionalImages:\n  - name: d.io/e:f\n  - name: a.io/b:c\n",
		"repeated image": header + body + "  - name: a.io/b:c\n",
		"empty sections": header + body + "  operators: []\n  helm: {}\n  platform: {graph: false, channels: []}\n  samples:\narchiveSize: 0\n",
		"anchors":        header + "mirror:\n  additionalImages:\n  - &one {name: a.io/b:c}\n  - *one\n  - {name: d.io/e:f}\n",
		"merge key":      header + "mirror:\n  additionalImages:\n  - &one {name: a.io/b:c}\n  - {<<: *one, name: d.io/e:f}\n",
	}
	for name, in := range same {
		if got := parse(in); got.Digest() != base.Digest() {
			t.Errorf("%s: changed the digest; read as %+v", name, got.Mirror)
		}
	}
	other := map[string]string{
		"other image":   header + "mirror:\n  additionalImages:\n  - name: a.io/b:c\n  - name: d.io/e:g\n",
		"one less":      header + "mirror:\n  additionalImages:\n  - name: a.io/b:c\n",
		"archive size":  header + body + "archiveSize: 4\n",
		"target tag":    header + body + "  - {name: a.io/b:c, targetTag: x}\n",
		"platforms":     header + body + "  - {name: a.io/b:c, platforms: [{os: linux, architecture: arm64}]}\n",
		"operators":     header + body + "  operators: [{catalog: a.io/b:c}]\n",
		"release graph": header + body + "  platform: {graph: true}\n",
	}
	digests := map[string]string{base.Digest().String(): "base"}
	for name, in := range other {
		d := parse(in).Digest().String()
		if before, ok := digests[d]; ok {
			t.Errorf("%s: same digest as %s", name, before)
		}
		digests[d] = name
	}
	before := base.Mirror.AdditionalImages[0].Name
	unsorted := parse(same["image order"])
	unsorted.Digest()
	if unsorted.Mirror.AdditionalImages[1].Name != before {
		t.Error("Digest changed the configuration")
	}
}
