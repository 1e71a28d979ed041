package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestRelease carries a payload and its components, first without the payload,
// which its registry has lost for a while.
func TestRelease(t *testing.T) {
	c := ocitest.New(91)
	reg, mirror := registrytest.Start(t), registrytest.Start(t)
	source := registrytest.StartProxy(t, reg.Host)
	base := c.Layer(600<<10, ocitest.LayerGzip)
	images, refs := map[string]oci.Descriptor{}, map[string]string{}
	for _, name := range []string{"cli", "etcd", "installer"} {
		d := c.Image(true, base, c.Layer(100<<10, ocitest.LayerGzip))
		push(t, c, d, reg.Host, "ocp/art", name)
		images[name], refs[name] = d, source.Host+"/ocp/art@"+d.Digest.String()
	}
	refs["tools"], images["tools"] = refs["cli"], images["cli"]
	payload, err := c.Payload("4.12.0", "amd64", refs, base)
	if err != nil {
		t.Fatal(err)
	}
	push(t, c, payload, reg.Host, "ocp/rel", "v")
	extra := c.Image(false, c.Layer(50<<10, ocitest.LayerGzip))
	push(t, c, extra, reg.Host, "team/app", "v1")
	var found atomic.Bool
	source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if found.Load() || !strings.HasPrefix(r.URL.Path, "/v2/ocp/rel/") {
			return false
		}
		http.NotFound(w, r)
		return true
	}
	w := newWorld(t)
	config := "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  platform:\n    release: " + source.Host + "/ocp/rel:v\n" +
		"  additionalImages:\n  - name: " + source.Host + "/team/app:v1\n"
	if err := os.WriteFile(w.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	list := w.gaps(w.run(w.pack("--keep-going", "--gaps", "gaps.json")...))
	if len(list.Images) != 1 || list.Images[0].Path != "openshift/release-images" || list.Images[0].Source.Repository != "ocp/rel" {
		t.Errorf("gaps: %+v", list.Images)
	}
	w.run(w.unpack(mirror.Host + "/ns")...).want(exitOK)

	found.Store(true)
	w.drive += "-later"
	w.run(w.pack("--only", "gaps.json")...).want(exitOK)
	if listed := w.run("inspect", "-i", w.key, w.drive).want(exitOK).stdout; strings.Contains(listed, "team/app") {
		t.Errorf("what was carried already is carried again:\n%s", listed)
	}
	w.run(w.unpack(mirror.Host + "/ns")...).want(exitOK)
	want := map[string]oci.Descriptor{"team/app:v1": extra, "openshift/release-images:4.12.0-x86_64": payload}
	for name, d := range images {
		want["openshift/release:4.12.0-x86_64-"+name] = d
	}
	for place, d := range want {
		repo, tag, _ := strings.Cut(place, ":")
		if err := ocitest.Compare(t.Context(), c, d, "http://"+mirror.Host, "ns/"+repo, tag); err != nil {
			t.Error(err)
		}
	}
	// The payload's layer was read for what it names, and is not kept beside the drive.
	kept := 0
	for _, d := range c.All() {
		found, err := filepath.Glob(filepath.Join(w.dir, "cache", "satchel", "*", "sha256", d.Digest.Encoded()))
		if err != nil || strings.Contains(d.MediaType, ".tar") && len(found) > 0 {
			t.Errorf("%s %s is in the cache, %v", d.MediaType, d.Digest, err)
		}
		kept += len(found)
	}
	if kept == 0 {
		t.Error("no manifest is in the cache")
	}
}
