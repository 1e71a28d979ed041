package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
)

// TestLostChannels: a Subscription whose channel, package or installed version is not in its catalog
// is named, with its namespace, before the catalog is applied.
func TestLostChannels(t *testing.T) {
	t.Parallel()
	sub := func(name, pkg, channel, installed string) string {
		return `{"apiVersion":"operators.coreos.com/v1alpha1","kind":"Subscription","metadata":{"name":"` + name + `","namespace":"ops"},"spec":{"name":"` + pkg + `","channel":"` + channel + `","source":"redhat-operators","sourceNamespace":"openshift-marketplace"},"status":{"installedCSV":"` + installed + `"}}`
	}
	inv, given := emitInput{Mirror: "m.example", Images: indexes(redhatIndex, "v4.16")}.parse(t)
	given.Contents = []documents.CatalogContents{{Catalog: redhatIndex + ":v4.16", Packages: []documents.PackageContents{
		{Name: "a", DefaultChannel: "stable", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", Bundle: "a.v1"}, {Version: "1.1.0", Bundle: "a.v1.1"}}}}},
	}}}
	given.Cluster = clusterOf(t, "4.16.1", nil, sub("fine", "a", "stable", "a.v1"), sub("default", "a", "", "a.v1.1"), sub("nothing-yet", "a", "stable", ""),
		sub("channel", "a", "old", "a.v1"), sub("version", "a", "stable", "a.v0"), sub("package", "b", "stable", "b.v1"))
	files, notes, err := Emit(inv, given)
	must(t, err)
	page := string(fileOf(t, files, handover.FileApply).Body)
	_, lost, _ := strings.Cut(page, "These Subscriptions get no updates from the new catalogs")
	lost, _, _ = strings.Cut(lost, "oc apply")
	for _, want := range []string{"`channel` in `ops`: the channel old of the package a", "`version` in `ops`: the installed a.v0", "`package` in `ops`: the package b"} {
		if !strings.Contains(lost, want) || !strings.Contains(strings.Join(notes, "\n"), strings.ReplaceAll(want, "`", "")) {
			t.Errorf("%s: not said\n%s\n%q", want, lost, notes)
		}
	}
	for _, not := range []string{"`fine`", "`default`", "`nothing-yet`"} {
		if strings.Contains(lost, not) {
			t.Errorf("%s: said", not)
		}
	}
}
