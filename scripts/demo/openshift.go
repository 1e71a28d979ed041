package main

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const (
	version     = "4.99.0"
	release     = version + "-x86_64"
	payloadRepo = "quay.io/openshift-release-dev/ocp-release"
	partsRepo   = "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
	payloadName = payloadRepo + ":" + release
	catalogRepo = "registry.redhat.io/redhat/redhat-operator-index"
	catalogTag  = "v4.99"
	catalogName = catalogRepo + ":" + catalogTag
)

// parts are the components of the payload.
var parts = []string{
	"apiserver", "authentication", "cli", "console", "coredns", "dashboards", "etcd", "haproxy-router", "image-registry", "ingress-operator",
	"installer", "kube-proxy", "machine-config-operator", "must-gather", "network-operator", "oauth-proxy", "prometheus", "scheduler", "storage-operator", "tools",
}

// makeRelease makes a payload whose components share two base layers.
func makeRelease(c *ocitest.Content) ([]image, error) {
	base, tools := c.Layer(12*mib, ocitest.LayerGzip), c.Layer(5*mib, ocitest.LayerGzip)
	var list []image
	names := map[string]string{}
	for i, name := range parts {
		layers := []oci.Descriptor{base, tools, c.Layer(600<<10, ocitest.LayerGzip)}
		if i%3 == 0 {
			layers = append(layers[:1], layers[2])
		}
		img := image{repo: partsRepo, root: c.Image(true, layers...), byDigest: true, place: "openshift/release", placeTag: release + "-" + name}
		names[name] = img.source()
		list = append(list, img)
	}
	payload, err := c.Payload(version, "amd64", names, base)
	if err != nil {
		return nil, err
	}
	return append(list, image{repo: payloadRepo, tag: release, root: payload, place: "openshift/release-images"}), nil
}

// makeCatalog makes a catalog of three packages, of which imageset.yaml names
// two. left are images that it need not carry: an older bundle, and all of the
// third package.
func makeCatalog(c *ocitest.Content) (carried, left []image, err error) {
	var text strings.Builder
	base := c.Layer(4*mib, ocitest.LayerGzip)
	add := func(list *[]image, repo string, root oci.Descriptor) string {
		img := image{repo: "registry.redhat.io/" + repo, root: root, byDigest: true}
		*list = append(*list, img)
		return img.source()
	}
	for _, name := range []string{"logging", "storage", "tracing"} {
		fmt.Fprintf(&text, "---\nschema: olm.package\nname: %s\ndefaultChannel: stable\n", name)
		fmt.Fprintf(&text, "---\nschema: olm.channel\npackage: %s\nname: stable\nentries:\n- name: %s.v1.1.0\n  replaces: %s.v1.0.0\n- name: %s.v1.0.0\n", name, name, name, name)
		for _, v := range []string{"1.0.0", "1.1.0"} {
			list := &left
			if v == "1.1.0" && name != "tracing" {
				list = &carried
			}
			bundle := add(list, name+"/bundle", c.Image(true, c.Layer(20<<10, ocitest.LayerGzip)))
			operator := add(list, name+"/operator", c.Image(true, base, c.Layer(400<<10, ocitest.LayerGzip)))
			fmt.Fprintf(&text, "---\nschema: olm.bundle\nname: %s.v%s\npackage: %s\nimage: %s\n", name, v, name, bundle)
			fmt.Fprintf(&text, "properties:\n- type: olm.package\n  value: {packageName: %s, version: %s}\nrelatedImages:\n- {name: operator, image: %s}\n", name, v, operator)
		}
	}
	root, err := c.Catalog("amd64", map[string][]byte{"catalog.yaml": []byte(text.String())}, base)
	return append(carried, image{repo: catalogRepo, tag: catalogTag, root: root, filtered: true}), left, err
}
