package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
)

// TestInstalled carries catalogs from what clusters have installed.
func TestInstalled(t *testing.T) {
	t.Parallel()
	const own = "example.com/cat/index"
	etcd := func(v, channel, catalog string) imageset.Installed {
		return imageset.Installed{Package: "etcd", Bundle: "etcd.v" + v, Version: v, Channel: channel, Catalog: catalog, Cluster: "east"}
	}
	for name, tc := range map[string]struct {
		config    string
		installed []imageset.Installed
		want      string // of what is carried
		notes     []string
	}{
		"a package without versions":  {"{name: etcd}", []imageset.Installed{etcd("1.0.0", "stable", own)}, "etcd default stable, alpha etcd.v2.0.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0", nil},
		"a channel without versions":  {"{name: etcd, channels: [{name: stable}]}", []imageset.Installed{etcd("1.0.0", "stable", own)}, "etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0", nil},
		"the lowest of two clusters":  {"{name: etcd, channels: [{name: stable}, {name: alpha}]}", []imageset.Installed{etcd("1.1.0", "alpha", own), etcd("1.0.0", "stable", "")}, "etcd default stable, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0", nil},
		"explicit versions":           {"{name: etcd, channels: [{name: stable, minVersion: 1.1.0}]}", []imageset.Installed{etcd("1.0.0", "stable", own)}, "etcd default stable, stable etcd.v1.1.0 1.1.0=etcd.v1.1.0", []string{"the configuration chooses other versions than etcd 1.0.0, which cluster east has installed"}},
		"not named":                   {"{name: prometheus}", []imageset.Installed{etcd("1.0.0", "stable", own)}, "etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"not named, another channel":  {"{name: prometheus}", []imageset.Installed{etcd("1.1.0", "alpha", own)}, "etcd default alpha, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"not named, two channels":     {"{name: prometheus}", []imageset.Installed{etcd("2.0.0", "next", own), etcd("1.1.0", "alpha", own)}, "etcd default next, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"not named, no such channel":  {"{name: prometheus}", []imageset.Installed{etcd("1.1.0", "gone", own)}, "etcd default alpha, alpha etcd.v2.0.0 1.1.0=etcd.v1.1.0 2.0.0=etcd.v2.0.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"not named, default channel":  {"{name: prometheus}", []imageset.Installed{etcd("0.9.0", "", own)}, "etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", []string{"etcd 0.9.0, which cluster east has installed, is not in it any more"}},
		"to be installed":             {"{name: prometheus}", []imageset.Installed{{Package: "etcd", Channel: "next", Catalog: own}}, "etcd default next, next etcd.v2.0.0 2.0.0=etcd.v2.0.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"the catalog in a mirror":     {"{name: prometheus}", []imageset.Installed{etcd("1.0.0", "stable", "mirror.example.com:5000/ns/cat/index")}, "etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"another catalog":             {"{name: prometheus}", []imageset.Installed{etcd("1.0.0", "stable", "example.com/other/index")}, "prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", []string{"not carried: operator etcd 1.0.0, which cluster east has from example.com/other/index: the configuration does not name that catalog"}},
		"not in the catalog":          {"{name: prometheus}", []imageset.Installed{{Package: "zoo", Cluster: "west"}}, "prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", []string{"not carried: operator zoo, which cluster west has: catalog example.com/cat/index:v1 has no such package"}},
		"every package of a catalog":  {"", []imageset.Installed{etcd("1.0.0", "stable", own)}, "etcd default stable, alpha etcd.v2.0.0 2.0.0=etcd.v2.0.0, next etcd.v2.0.0 2.0.0=etcd.v2.0.0, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0; prometheus default stable, stable prometheus.v0.5.0 0.5.0=prometheus.v0.5.0", nil},
		"nothing of it in a channel":  {"{name: etcd, channels: [{name: next}]}", []imageset.Installed{etcd("1.0.0", "stable", own)}, "etcd default next, next etcd.v2.0.0 2.0.0=etcd.v2.0.0", []string{"the configuration chooses other versions than etcd 1.0.0"}},
		"a bundle, its name is known": {"{name: etcd, channels: [{name: stable}]}", []imageset.Installed{{Package: "etcd", Bundle: "etcd.v1.0.0"}}, "etcd default stable, stable etcd.v1.1.0 1.0.0=etcd.v1.0.0 1.1.0=etcd.v1.1.0", nil},
		"a channel left out":          {"{name: etcd, channels: [{name: stable}]}", []imageset.Installed{etcd("1.1.0", "alpha", own)}, "etcd default stable, stable etcd.v1.1.0 1.1.0=etcd.v1.1.0", []string{"package etcd loses the channel alpha: the configuration leaves it out. It gets no updates where that is followed: cluster east"}},
		"a channel that is gone":      {"{name: etcd, channels: [{name: stable}]}", []imageset.Installed{etcd("1.1.0", "old", own)}, "etcd default stable, stable etcd.v1.1.0 1.1.0=etcd.v1.1.0", []string{"package etcd loses the channel old: the catalog does not have it any more. It gets no updates where that is followed: cluster east"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := asktest.NewCatalogs()
			h.PutCatalog(t, asktest.TestCatalog, asktest.TestFiles())
			line := "  - {catalog: '" + asktest.TestCatalog + "'"
			if tc.config != "" {
				line += ", packages: [" + tc.config + "]"
			}
			c := asktest.ParseOperators(t, line+"}\n")
			before := c.Digest()
			c.Extra.Installed = tc.installed
			if c.Digest() == before {
				t.Error("what is installed does not change the digest of what is asked for")
			}
			if got, want := asktest.Written(contentsOf(t, h, c)), asktest.TestCatalog+" false ; "+tc.want+"\n"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			for _, want := range tc.notes {
				if !slices.ContainsFunc(h.Notes, func(n string) bool { return strings.Contains(n, want) }) {
					t.Errorf("no note %q in %q", want, h.Notes)
				}
			}
			for _, n := range h.Notes {
				if len(tc.notes) == 0 && (strings.HasPrefix(n, "not carried") || strings.Contains(n, "has installed")) {
					t.Errorf("note %s", n)
				}
			}
		})
	}
}
