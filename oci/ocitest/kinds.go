package ocitest

import "github.com/satchel-airgap/satchel/oci"

// Kinds adds one of each kind of image that registries hold, about 12 MiB in
// all, and returns their manifests by name:
//
//	docker       Docker v2s2 image
//	docker-list  Docker manifest list of two images
//	oci          OCI image, gzip layers
//	oci-zstd     OCI image, zstd layers and one plain tar
//	index        OCI index of four platforms
//	nested       OCI index that has an index and an image
//	artifact     OCI artifact with the empty config
//	many         OCI image of 40 layers of 2 KiB
//
// docker, oci, docker-list, index and nested share a base layer of 5 MiB.
func (c *Content) Kinds() map[string]oci.Descriptor {
	base := c.Layer(5<<20, LayerGzip)
	small := func() oci.Descriptor { return c.Layer(150<<10, LayerGzip) }
	docker := c.Image(true, base, small())
	plain := c.Image(false, base, small())
	var archs []oci.Descriptor
	for _, arch := range platforms {
		archs = append(archs, c.ImageFor(arch, false, base, small()))
	}
	index := c.Index(false, archs...)
	var tiny []oci.Descriptor
	for range 40 {
		tiny = append(tiny, c.Layer(2<<10, LayerGzip))
	}
	note := c.Blob([]byte("a note about this artifact\n"), "text/plain")
	return map[string]oci.Descriptor{
		"docker":      docker,
		"docker-list": c.Index(true, c.Image(true, base), c.ImageFor("arm64", true, base, small())),
		"oci":         plain,
		"oci-zstd":    c.Image(false, c.Layer(4<<20, LayerZstd), c.Layer(300<<10, LayerZstd), c.Layer(20<<10, LayerTar)),
		"index":       index,
		"nested":      c.Index(false, index, plain),
		"artifact":    c.Artifact("application/vnd.example.bundle.v1", c.Layer(200<<10, "application/octet-stream"), note),
		"many":        c.Image(false, tiny...),
	}
}
