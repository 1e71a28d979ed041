package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
)

// TestTemplate takes a CatalogSource's template across, which the far side has no
// file of, with the catalog under another name.
func TestTemplate(t *testing.T) {
	t.Parallel()
	s, mirror := newReleaseSet(t), newMirror(t)
	s.addOperator(t)
	w := newWorld(t)
	file := filepath.Join(w.dir, "ours.yaml")
	config := fmt.Sprintf("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  operators:\n  - catalog: %s/acme/catalog:v1\n"+
		"    targetCatalog: ours/index\n    targetTag: v9\n    targetCatalogSourceTemplate: %s\n", s.source.Host, file)
	write := func(name, body string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(w.config, config)
	w.run(w.pack()...).want(exitUsage).says("imageset.yaml:8:34: mirror.operators[0].targetCatalogSourceTemplate: ", "ours.yaml")
	template := "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nspec: {displayName: Ours, publisher: Us, icon: {mediatype: a}}\n"
	write(file, strings.Replace(template, "spec: {", "spec: {configMap: x, ", 1))
	w.run(w.pack()...).want(exitUsage).says("its spec has a configMap")
	write(file, template)
	w.run(w.pack()...).want(exitOK)
	w.run("inspect", "--manifests", "-i", w.key, w.drive).want(exitOK).printed(t, "  displayName: Ours\n")
	write(file, strings.Replace(template, "Ours", "Theirs", 1))
	w.run(w.pack()...).want(exitUsage) // another bundle
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	images := w.inspected().Images
	made := images[slices.IndexFunc(images, func(i report.Image) bool { return i.Origin == manifests.OriginCatalog })].Digest
	for _, command := range []string{"unpack", "render"} {
		out := filepath.Join(w.dir, command)
		w.run(command, "-i", w.key, "--to", mirror, "--tls-verify=false", "--output-dir", out, w.drive).want(exitOK)
		body := string(readFile(t, filepath.Join(out, "catalogsource-catalog.yaml")))
		for _, want := range []string{"\n  displayName: Ours\n", "\n  icon:\n    mediatype: a\n  image: " + mirror + "/ours/index@" + made.String() + "\n  publisher: Us\n  sourceType: grpc\n"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s wrote\n%s\nwant %s", command, body, want)
			}
		}
	}
}
