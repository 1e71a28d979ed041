package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// placed are the images of an inventory with their places, without what asked for them.
func placed(inv *oci.Inventory) (list []string) {
	for _, img := range inv.Images {
		list = append(list, fmt.Sprint(img.MirrorPath(), " ", img.Root.Digest, " ", img.Tags))
	}
	slices.Sort(list)
	return list
}

// repin resolves a configuration, pins it, lets everything move, and resolves what was
// written.
func repin(t *testing.T, file string, extra Extra, from Images, move func(*oci.Inventory)) (pinned string, left []string, before, after []string) {
	t.Helper()
	resolve := func(file []byte) (*Config, *oci.Inventory) {
		c, err := Parse("f.yaml", file)
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		c.Extra = extra
		inv, err := Resolve(t.Context(), c, from)
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		return c, inv
	}
	c, inv := resolve([]byte(file))
	var stored oci.Source
	switch s := from.(type) {
	case *asktest.Catalogs:
		stored = &s.Stored
	case *asktest.Registry:
		stored = &s.Stored
	}
	contents, err := ReadContents(t.Context(), inv, stored)
	if err != nil {
		t.Fatal(err)
	}
	pins := PinsOf(c, inv, contents)
	body, err := pins.File()
	if err != nil {
		t.Fatal(err)
	}
	move(inv)
	_, again := resolve(body)
	return string(body), pins.Left(), placed(inv), placed(again)
}

// TestPinnedOperators: a pinned configuration names the same catalog image and the same
// operators when the catalog's tag has moved on.
func TestPinnedOperators(t *testing.T) {
	t.Parallel()
	const catalog = "  - catalog: " + asktest.TestCatalog + " # ours\n"
	for name, c := range map[string]struct {
		operators string
		want      []string
	}{
		"heads of all":    {catalog, nil},
		"whole":           {catalog + "    full: true\n", nil},
		"heads of one":    {catalog + "    packages: [{name: etcd}]\n", []string{"name: stable, minVersion: 1.1.0, maxVersion: 1.1.0", "name: next, minVersion: 2.0.0"}},
		"full package":    {catalog + "    full: true\n    packages: [{name: etcd}]\n", nil},
		"channel":         {catalog + "    packages:\n    - name: etcd\n      channels:\n      - name: stable\n", []string{"minVersion: 1.1.0\n", "maxVersion: 1.1.0\n"}},
		"range":           {catalog + "    packages:\n    - {name: etcd, minVersion: 1.0.0}\n    - name: prometheus\n", []string{"minVersion: 1.0.0, maxVersion: 2.0.0"}},
		"range of one":    {catalog + "    packages:\n    - name: etcd\n      channels: [{name: stable, minVersion: 1.0.0}]\n", []string{"maxVersion: 1.1.0"}},
		"its own place":   {catalog + "    targetCatalog: our/index\n    targetTag: latest\n    packages: [{name: etcd}]\n", nil},
		"alias and merge": {catalog + "    packages: [&e {name: etcd}, {<<: *e, name: prometheus}]\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := asktest.NewCatalogs()
			old := h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
			ref, _ := oci.ParseRef(asktest.TestCatalog)
			h.Roots[ref.WithDigest(old.Digest).String()] = old
			body, left, before, after := repin(t, asktest.Head+"# all of it\nmirror:\n  operators:\n"+c.operators, Extra{}, h, func(*oci.Inventory) {
				files := asktest.TestFiles()
				files["etcd/catalog.yaml"] = asktest.FBC("etcd", map[string]string{"stable": "1.0.0 1.1.0>1.0.0 1.2.0>1.1.0", "next": "2.0.0 2.1.0>2.0.0"},
					map[string]string{"1.0.0": "", "1.1.0": "", "1.2.0": "", "2.0.0": "", "2.1.0": ""})
				h.PutCatalog(t, asktest.TestCatalog, files)
			})
			if !slices.Equal(before, after) {
				t.Errorf("was\n%s\nis\n%s\nby\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"), body)
			}
			for _, want := range append(c.want, "catalog: "+asktest.TestCatalog+"@"+old.Digest.String()+" # ours", "# all of it") {
				if !strings.Contains(body, want) {
					t.Errorf("%q is not in\n%s", want, body)
				}
			}
			if len(left) > 0 && !strings.Contains(strings.Join(left, " "), "that operators name by tag: ") {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestPinnedReleases: channels get the versions of their heads, releases and images their
// digests; what can still move is listed.
func TestPinnedReleases(t *testing.T) {
	t.Parallel()
	m := asktest.ChannelWorld(t)
	one := m.Image(true, m.Base, m.Layer(4096, ocitest.LayerGzip))
	for _, ref := range []string{"quay.io/team/app:v1", "quay.io/team/app@" + one.Digest.String()} {
		m.At(ref, one)
	}
	file := asktest.Head + `mirror:
  platform:
    channels:
    - name: stable-4.1
    - {name: stable-4.2, minVersion: 4.2.0}
    - name: apart-4.4
      full: true # everything
  additionalImages:
  - name: quay.io/team/app:v1
  - name: quay.io/team/app:v1
    targetRepo: other/place
    targetTag: "1.10"
`
	extra := Extra{UpdateURL: asktest.GraphServer, IgnoreReleaseSignature: true}
	body, left, before, after := repin(t, file, extra, m, func(*oci.Inventory) {
		delete(m.Refs, "quay.io/team/app:v1")
		m.At("quay.io/team/app:v1", m.Image(true, m.Base))
		m.Published[asktest.GraphLink(asktest.GraphServer, "amd64", "stable-4.1")] = m.GraphBody(t, "amd64", asktest.Graph{Versions: "4.1.0 4.1.1 4.1.2 4.1.3"})
		m.Published[asktest.GraphLink(asktest.GraphServer, "amd64", "stable-4.2")] = m.GraphBody(t, "amd64", asktest.Graph{Versions: "4.2.0 4.2.1 4.2.2"})
		m.Published[asktest.GraphLink(asktest.GraphServer, "amd64", "apart-4.4")] = m.GraphBody(t, "amd64", asktest.Graph{Versions: "4.4.0 4.4.1 4.4.2 4.4.9"})
	})
	if !slices.Equal(before, after) {
		t.Errorf("was\n%s\nis\n%s\nby\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"), body)
	}
	for _, want := range []string{"minVersion: 4.1.2", "maxVersion: 4.1.2", "minVersion: 4.2.0, maxVersion: 4.2.1", "minVersion: 4.4.0", "maxVersion: 4.4.2", "name: quay.io/team/app:v1@" + one.Digest.String(), `targetTag: "1.10"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
	if strings.Contains(body, "full") {
		t.Errorf("full stands beside a range in\n%s", body)
	}
	want := []string{"channel stable-4.2: releases between 4.2.0 and 4.2.1 that are added to it later", "channel apart-4.4: releases between 4.4.0 and 4.4.2 that are added to it later"}
	if !slices.Equal(left, want) {
		t.Errorf("left: %q", left)
	}
}
