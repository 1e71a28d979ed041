package main

import (
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestPullKinds pulls additional images of all kinds that nodes pull, from
// several registries and by tag and digest, by their original names.
func TestPullKinds(t *testing.T) {
	o := newOutside(431)
	kinds := o.content.Kinds()
	for name, kind := range map[string]string{
		"quay.io/team/app:v1":                    "docker",
		"quay.io/team/app/list:v1":               "docker-list",
		"registry.k8s.io/pause:3.9":              "oci",
		"docker.io/library/zstd:latest":          "oci-zstd",
		"ghcr.io/deep/er/still/index:v2":         "index",
		"registry.access.redhat.com:443/many:40": "many",
	} {
		o.publish(t, name, kinds[kind])
		o.publish(t, "quay.io/team/by-digest/"+kind+"@"+kinds[kind].Digest.String(), kinds[kind])
	}
	w := newWorld(t)
	var refs []string
	for name := range o.images {
		refs = append(refs, name)
	}
	w.images(refs...)
	w.packed(t, o)
	mirror, out := registrytest.Start(t), filepath.Join(w.dir, "out")
	w.run(w.unpackSite(mirror.Host+"/ocp", out)...).want(exitOK)
	compareMirrored(t, o.content, mirror.Host, o.everything(t, "ocp"))
	n := newNode(t, mirror.Host, out)
	refs = originals(w.inspected())
	if len(refs) != 12 {
		t.Errorf("%d images are carried", len(refs))
	}
	n.skopeo(t, refs)
	n.podman(t, refs)
	n.unreachable(t, refs...)
}
