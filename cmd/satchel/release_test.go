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

// releaseSet is a release in a registry, and an image beside it.
type releaseSet struct {
	c      *ocitest.Content
	source *registrytest.Proxy
	want   map[string]oci.Descriptor // by REPOSITORY:TAG in the mirror
}

func newReleaseSet(t *testing.T) *releaseSet {
	c, reg := ocitest.New(91), newSource(t)
	s := &releaseSet{c, registrytest.StartProxy(t, reg), map[string]oci.Descriptor{}}
	base := c.Layer(600<<10, ocitest.LayerGzip)
	refs := map[string]string{}
	for _, name := range []string{"cli", "etcd", "installer"} {
		d := c.Image(true, base, c.Layer(100<<10, ocitest.LayerGzip))
		push(t, c, d, reg, "ocp/art", name)
		s.want["openshift/release:4.12.0-x86_64-"+name], refs[name] = d, s.source.Host+"/ocp/art@"+d.Digest.String()
	}
	refs["tools"], s.want["openshift/release:4.12.0-x86_64-tools"] = refs["cli"], s.want["openshift/release:4.12.0-x86_64-cli"]
	payload, err := c.Payload("4.12.0", "amd64", refs, base)
	if err != nil {
		t.Fatal(err)
	}
	extra := c.Image(false, c.Layer(50<<10, ocitest.LayerGzip))
	push(t, c, payload, reg, "ocp/rel", "v")
	push(t, c, extra, reg, "team/app", "v1")
	s.want["openshift/release-images:4.12.0-x86_64"], s.want["team/app:v1"] = payload, extra
	return s
}

// TestRelease carries a payload and its components, first without the payload,
// which its registry has lost for a while.
func TestRelease(t *testing.T) {
	t.Parallel()
	s, mirror := newReleaseSet(t), registrytest.Start(t)
	c, source := s.c, s.source
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
	if len(list.Images) != 1 || list.Images[0].Image.Path != "openshift/release-images" || list.Images[0].Image.Source.Repository != "ocp/rel" {
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
	for place, d := range s.want {
		repo, tag, _ := strings.Cut(place, ":")
		if err := ocitest.Compare(t.Context(), c, d, "http://"+mirror.Host, "ns/"+repo, tag); err != nil {
			t.Error(err)
		}
	}
	checkUnkept(t, w, c)
}

// checkUnkept wants no layer in the cache: the payload's is read for what it
// names and not kept beside the drive.
func checkUnkept(t *testing.T, w *world, c *ocitest.Content) {
	t.Helper()
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
