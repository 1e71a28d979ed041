package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// image is one image of the source registry.
type image struct {
	repo, tag string // repo with its host: the original name
	filtered  bool   // satchel makes another image of it, which has what imageset.yaml chooses
	root      oci.Descriptor
	byDigest  bool // asked for by digest, not by tag
	// place and placeTag are where it is in the mirror; empty for its own path and tag.
	place, placeTag string
	extra           bool // additionalImages names it
}

// source is the image's original name.
func (i image) source() string {
	if i.byDigest {
		return i.repo + "@" + i.root.Digest.String()
	}
	return i.repo + ":" + i.tag
}

// sourceTag is a tag of it in the source registry, where nothing is without.
func (i image) sourceTag() string { return cmp.Or(i.tag, "made-"+i.root.Digest.Encoded()[:16]) }

// mirrorRepo is the repository in the mirror, below the namespace.
func (i image) mirrorRepo() string {
	_, path, _ := strings.Cut(i.repo, "/")
	return cmp.Or(i.place, path)
}

// mirrorTag is the tag that the image has in the mirror.
func (i image) mirrorTag() string {
	if i.placeTag == "" && i.byDigest {
		return "satchel-" + i.root.Digest.Encoded()
	}
	return cmp.Or(i.placeTag, i.tag)
}

const mib = 1 << 20

// makeExtras makes ten images of the kinds that registries hold.
func makeExtras(c *ocitest.Content) []image {
	gz := func(n int) oci.Descriptor { return c.Layer(n*mib, ocitest.LayerGzip) }
	zs := func(n int) oci.Descriptor { return c.Layer(n*mib, ocitest.LayerZstd) }
	base, runtime := gz(24), gz(16)
	var agents, tiny []oci.Descriptor
	for _, arch := range []string{"amd64", "arm64", "ppc64le", "s390x"} {
		agents = append(agents, c.ImageFor(arch, false, gz(8), gz(4)))
	}
	for range 40 {
		tiny = append(tiny, c.Layer(8<<10, ocitest.LayerGzip))
	}
	agent := c.Index(false, agents...)
	web := c.Image(false, base, runtime, gz(6))
	list := []image{
		{repo: "tools/shell", tag: "1.0", root: c.Image(true, base, gz(4))},
		{repo: "tools/build", tag: "1.4", root: c.Image(true, base, runtime, gz(12), gz(8))},
		{repo: "apps/web", tag: "2.3", root: web},
		{repo: "apps/db", tag: "9.1", root: c.Image(false, base, gz(12), gz(12), gz(10)), byDigest: true},
		{repo: "apps/queue", tag: "4.0", root: c.Image(false, zs(16), zs(8), zs(6))},
		{repo: "infra/agent", tag: "1.2", root: agent},
		{repo: "infra/legacy-agent", tag: "0.9", root: c.Index(true, c.Image(true, base, gz(6)), c.ImageFor("arm64", true, gz(16)))},
		{repo: "infra/suite", tag: "latest", root: c.Index(false, agent, web)},
		{repo: "policies/signed", tag: "7", root: c.Artifact("application/vnd.example.policy.v1", c.Layer(2*mib, "application/octet-stream"))},
		{repo: "apps/many-layers", tag: "1", root: c.Image(false, tiny...)},
	}
	for i := range list {
		list[i].repo, list[i].extra = "quay.io/example/"+list[i].repo, true
	}
	return list
}

// imageSet is the text of imageset.yaml.
func imageSet(images []image) string {
	var b strings.Builder
	fmt.Fprintf(&b, `kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v2alpha1
mirror:
  platform:
    release: %s
  operators:
    - catalog: %s
      packages:
        - name: logging
        - name: storage
  additionalImages:
`, payloadName, catalogName)
	for _, i := range images {
		if i.extra {
			fmt.Fprintf(&b, "    - name: %s\n", i.source())
		}
	}
	return b.String()
}

// sourceConf is the registries.conf by which the original names lead to the
// source registry.
func sourceConf(images []image, addr string) string {
	hosts := map[string]bool{}
	for _, i := range images {
		host, _, _ := strings.Cut(i.repo, "/")
		hosts[host] = true
	}
	var b strings.Builder
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		fmt.Fprintf(&b, "[[registry]]\nprefix = %q\nlocation = %q\ninsecure = true\n", host, addr+"/"+host)
	}
	return b.String()
}

// count gives the number of digests that the images reach and the bytes of the blobs among them.
func count(ctx context.Context, c oci.Source, images []image) (digests int, blobBytes int64, err error) {
	seen := map[digest.Digest]bool{}
	for _, i := range images {
		if i.filtered {
			continue
		}
		err := oci.Walk(ctx, c, i.root, func(d oci.Descriptor, body []byte) error {
			if !seen[d.Digest] && body == nil {
				blobBytes += d.Size
			}
			seen[d.Digest] = true
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return len(seen), blobBytes, nil
}
