package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

func TestPrintContents(t *testing.T) {
	versions := func(n int) (list []manifests.VersionContents) {
		for i := range n {
			list = append(list, manifests.VersionContents{Version: fmt.Sprintf("1.%d.0", i), Bundle: fmt.Sprintf("b.v1.%d.0", i)})
		}
		return list
	}
	list := []manifests.CatalogContents{
		{Catalog: "a.io/index:v1", Packages: []manifests.PackageContents{
			{Name: "etcd", DefaultChannel: "stable", Channels: []manifests.ChannelContents{{Name: "fast", Versions: versions(8)}, {Name: "stable", Versions: versions(9)}}},
			{Name: "lib", Dependency: true, Channels: []manifests.ChannelContents{{Name: "alpha", Versions: versions(1)}}}}},
		{Catalog: "a.io/whole:v1", Whole: true, Packages: []manifests.PackageContents{{Name: "etcd", Channels: []manifests.ChannelContents{{Name: "fast", Versions: versions(1)}}}}},
		{Catalog: "a.io/large:v1", Versions: "heads", Packages: []manifests.PackageContents{}},
	}
	var b strings.Builder
	if err := printContents(&b, list, view{}); err != nil {
		t.Fatal(err)
	}
	const want = `catalog      a.io/index:v1, chosen: 2 packages, 3 channels, 10 versions
  PACKAGE         CHANNEL           VERSIONS
  etcd            fast              1.7.0 1.6.0 1.5.0 1.4.0 1.3.0 1.2.0 1.1.0 1.0.0
  etcd            stable (default)  1.8.0 1.7.0 1.6.0 1.5.0 1.4.0 1.3.0 1.2.0 1.1.0 and 1 more
  lib (required)  alpha             1.0.0
catalog      a.io/whole:v1, whole: 1 package, 1 channel, 1 version
catalog      a.io/large:v1, chosen: 0 packages, 0 channels, 0 versions, of which only the channels' heads are listed
  PACKAGE  CHANNEL  VERSIONS
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPrintPlanImages(t *testing.T) {
	ref := oci.Ref{Registry: "a.io", Repository: "b", Tag: "c"}
	var b strings.Builder
	err := printPlanImages(&b, []plan.Image{{Image: report.Image{Origin: manifests.OriginAdditional, Source: ref, Bytes: 3 << 20, Why: []string{"additionalImages"}}, Shared: 1 << 20},
		{Image: report.Image{Origin: manifests.OriginOperator, Source: ref.WithTag("d"), Why: []string{"one", "two", "three", "four", "five"}}}}, view{columns: 120})
	const want = `ORIGIN      IMAGE     SIZE     SHARED   WHY
additional  a.io/b:c  3.0 MiB  1.0 MiB  additionalImages
operator    a.io/b:d  0 B      0 B      one; two; three; and 2 more
`
	if err != nil || b.String() != want {
		t.Errorf("got\n%s\nwant\n%s, %v", b.String(), want, err)
	}
}

// TestPlanContents says before packing what inspect says afterwards.
func TestPlanContents(t *testing.T) {
	w := newWorld(t)
	s := newDirSet(t, w, 20<<10, 1000)
	const about = "catalog      catalogs.local/catalog:latest, whole: 1 package, 1 channel, 1 version\n"
	table := w.run("plan", "-c", w.config, "--tls-verify=false", "--images").want(exitOK).stdout
	for _, want := range []string{about + "\nORIGIN ", "\ncatalog     catalogs.local/catalog:latest  ", "  catalog oci://" + s.dir + "\n", "  operator app 1.0.0: bundle\n"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table does not have %q:\n%s", want, table)
		}
	}
	if plain := w.run("plan", "-c", w.config, "--tls-verify=false").want(exitOK).stdout; !strings.HasPrefix(plain, about+"\nORIGIN ") || strings.Contains(plain, "operator app") {
		t.Errorf("without --images:\n%s", plain)
	}
	w.imageset("  operators: [{catalog: 'oci://" + s.dir + "', packages: [{name: app}]}]\n")
	got, _ := w.plan(exitOK)
	w.run(w.pack()...).want(exitOK)
	have := w.inspected()
	if fmt.Sprint(got.Catalogs) != fmt.Sprint(have.Catalogs) || len(have.Catalogs) != 1 || have.Catalogs[0].Packages[0].Channels[0].Head != "app.v1.0.0" {
		t.Errorf("plan says\n%+v, and inspect\n%+v", got.Catalogs, have.Catalogs)
	}
	checkPlan(t, w, got, 2, planSet{})
	inspected := w.run("inspect", "-i", w.key, w.drive).want(exitOK).stdout
	const rows = "\n\ncatalog      catalogs.local/catalog:latest, chosen: 1 package, 1 channel, 1 version\n  PACKAGE  CHANNEL           VERSIONS\n  app      stable (default)  1.0.0\n"
	if !strings.HasSuffix(inspected, rows) {
		t.Errorf("%s", inspected)
	}
}
