package manifests

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/oci"
)

// inside has what a hub's mirror got, and nothing else.
type inside struct {
	*asktest.Images
	hub   *Hub
	has   []oci.Source
	asked []string // what the hub lacks
}

func (i *inside) Resolve(_ context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	img, ok := i.hub.Find(ref)
	if !ok {
		i.asked = append(i.asked, ref.String())
		return oci.Descriptor{}, nil, errors.New("manifest unknown")
	}
	return img.Root, oci.SourceFunc(i.open), nil
}

func (i *inside) open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	var errs []error
	for _, src := range i.has {
		rc, err := src.Open(ctx, d, off)
		if err == nil {
			return rc, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// toInside resolves a configuration outside, as a bundle for a hub.
func toInside(t *testing.T, c *Config, from Images, stored oci.Source, has ...oci.Source) (*inside, *oci.Inventory) {
	t.Helper()
	inv, err := Resolve(t.Context(), c, from)
	if err != nil {
		t.Fatal(err)
	}
	h, err := HubOf(t.Context(), oci.Mirror{Host: "hub.example", Namespace: "ocp"}, inv, stored)
	if err != nil {
		t.Fatal(err)
	}
	in := &inside{Images: asktest.NewImages(), hub: h, has: append(has, stored)}
	in.Published = map[string][]byte{}
	return in, inv
}

// TestHubCatalogs: the same configuration takes a catalog as the hub has it, one that asks for
// less filters it again, one that asks for more is refused.
func TestHubCatalogs(t *testing.T) {
	t.Parallel()
	const tagged = "  - catalog: " + asktest.TestCatalog + "\n"
	old := asktest.NewCatalogs().PutCatalog(t, asktest.TestCatalog, asktest.TestFiles()).Digest.String()
	const both = "    packages: [{name: etcd}, {name: prometheus}]\n"
	for name, c := range map[string]struct {
		outside, inside string
		note            string // what is said of it
		fails           string
	}{
		"heads of all":        {tagged, tagged, "taken as it is", ""},
		"whole":               {tagged + "    full: true\n", tagged + "    full: true\n", "taken as it is", ""},
		"some":                {tagged + both, tagged + both, "taken as it is", ""},
		"in another order":    {tagged + both, tagged + "    packages: [{name: prometheus}, {name: etcd}]\n", "taken as it is", ""},
		"written otherwise":   {tagged + "    packages: [{name: etcd}]\n", tagged + "    full: true\n", "taken as it is", ""},
		"a place of its own":  {tagged + "    targetCatalog: our/index\n    targetTag: today\n" + both, tagged + "    targetCatalog: our/index\n    targetTag: today\n" + both, "taken as it is", ""},
		"by digest":           {"  - catalog: example.com/cat/index@" + old + "\n" + both, "  - catalog: example.com/cat/index@" + old + "\n" + both, "taken as it is", ""},
		"by tag and digest":   {tagged[:len(tagged)-1] + "@" + old + "\n" + both, tagged[:len(tagged)-1] + "@" + old + "\n" + both, "taken as it is", ""},
		"a package less":      {tagged + both, tagged + "    packages: [{name: etcd}]\n", "filtered again", ""},
		"a channel less":      {tagged + both, tagged + "    packages: [{name: etcd, channels: [{name: stable}]}]\n", "filtered again", ""},
		"a version less":      {tagged + "    packages: [{name: etcd, minVersion: 1.0.0}]\n", tagged + "    packages: [{name: etcd, minVersion: 1.1.0}]\n", "filtered again", ""},
		"less of the whole":   {tagged + "    full: true\n", tagged + both, "filtered again", ""},
		"less, and by digest": {"  - catalog: example.com/cat/index@" + old + "\n" + both, "  - catalog: example.com/cat/index@" + old + "\n    packages: [{name: etcd}]\n", "filtered again", ""},
		"a package more":      {tagged + "    packages: [{name: etcd}]\n", tagged + both, "", `has no package "prometheus"`},
		"another catalog":     {tagged, "  - catalog: example.com/cat/other:v1\n", "", "manifest unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := asktest.NewCatalogs()
			root := h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
			h.Roots["example.com/cat/index@"+root.Digest.String()] = root
			in, inv := toInside(t, asktest.ParseOperators(t, c.outside), h, &h.Stored, h.Content, h.Images)
			cfg := asktest.ParseOperators(t, c.inside)
			cfg.Extra.Hub = in.hub
			got, err := Resolve(t.Context(), cfg, in)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(in.asked) > 0 || len(in.Fetched) > 0 {
				t.Errorf("asked for %q, %q", in.asked, in.Fetched)
			}
			if notes := strings.Join(in.Notes, "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("it does not say %q:\n%s", c.note, notes)
			}
			if c.note == "taken as it is" {
				if a, b := placed(inv), placed(got); !slices.Equal(a, b) {
					t.Errorf("the hub has\n%s\nits bundle\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
				}
				return
			}
			for _, img := range got.Images {
				if img.Origin == OriginCatalog && (!img.Built || in.hub.Has(img) || img.Configured().Digest != "" && img.Configured().Digest != root.Digest) {
					t.Errorf("the catalog is %+v", img)
				}
				if img.Origin != OriginCatalog && !in.hub.Has(img) {
					t.Errorf("the hub does not have %s", img.Source)
				}
			}
		})
	}
}

// TestHubReleases: channels and signatures come from what the hub got, and nothing is asked
// elsewhere.
func TestHubReleases(t *testing.T) {
	t.Parallel()
	m := asktest.ChannelWorld(t)
	one := m.Image(true, m.Base)
	m.At("quay.io/team/app:v1", one)
	config := func(channels string) *Config {
		c := asktest.ChannelConfig(t, channels, "  additionalImages: [{name: 'quay.io/team/app:v1', targetRepo: our/place, targetTag: x}]\n")
		return c
	}
	const all = "{name: stable-4.1}, {name: stable-4.2, minVersion: 4.1.2}"
	in, inv := toInside(t, config(all), m, &m.Stored, m.Content, m.Images)
	resolve := func(channels string) (*oci.Inventory, error) {
		c := config(channels)
		c.Extra.UpdateURL, c.Extra.Hub = "", in.hub
		return Resolve(t.Context(), c, in)
	}
	got, err := resolve(all)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := placed(inv), placed(got); !slices.Equal(a, b) {
		t.Errorf("the hub has\n%s\nits bundle\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	less, err := resolve("{name: stable-4.2}")
	if err != nil || len(less.Images) >= len(inv.Images) {
		t.Errorf("one channel: %v", err)
	}
	if _, err := resolve("{name: stable-4.3}"); err == nil || !strings.Contains(err.Error(), "the update graph of channel stable-4.3 has no releases") || !strings.Contains(strings.Join(in.Notes, " "), "the bundle that filled hub.example/ocp brought no update graph of channel stable-4.3") {
		t.Errorf("a channel that the hub did not get: %v, %q", err, in.Notes)
	}
	if _, err := resolve("{name: stable-4.1, minVersion: 4.1.1}"); err == nil || !strings.Contains(err.Error(), "manifest unknown") {
		t.Error("a release that the hub did not get is carried")
	}
	if len(in.Fetched) > 0 {
		t.Errorf("asked for %q", in.Fetched)
	}
}
