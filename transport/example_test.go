package transport_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"slices"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// registry is an empty registry in this process; it speaks plain HTTP.
func registry() *httptest.Server {
	return httptest.NewServer(olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreMem},
		Log:     slog.New(slog.DiscardHandler),
	}))
}

// A reference is resolved once; the source then gives manifests and blobs by digest.
func ExampleClient() {
	ctx := context.Background()
	server := registry()
	defer server.Close()
	content := ocitest.New(1)
	image := content.Image(false, content.Layer(4<<10, ocitest.LayerGzip))
	if err := ocitest.Push(ctx, content, image, server.URL, "team/app", "1.0"); err != nil {
		log.Fatal(err)
	}
	client := transport.NewClient(transport.Config{RetryTimes: transport.DefaultRetryTimes}) // TLSVerify would be true elsewhere
	defer client.Close()
	root, src, err := client.Resolve(ctx, oci.Ref{Registry: server.Listener.Addr().String(), Repository: "team/app", Tag: "1.0"})
	if err != nil {
		log.Fatal(err)
	}
	rc, err := oci.Verified(src).Open(ctx, root, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer rc.Close()
	n, err := io.Copy(io.Discard, rc)
	fmt.Println(root.Digest == image.Digest, n == image.Size, err)
	// Output: true true <nil>
}

// A mirror is filled in three steps: what is missing, blobs in the order of the
// caller, manifests and tags last.
func ExampleMirror() {
	ctx := context.Background()
	server := registry()
	defer server.Close()
	content := ocitest.New(1)
	image := content.Image(false, content.Layer(4<<10, ocitest.LayerGzip))
	inv := &oci.Inventory{Images: []oci.Image{{
		Origin: "additional", Source: oci.Ref{Registry: "registry.example", Repository: "team/app", Tag: "1.0"}, Root: image, Tags: []string{"1.0"},
	}}}
	client := transport.NewClient(transport.Config{Push: true, RetryTimes: transport.DefaultRetryTimes})
	defer client.Close()
	m := transport.NewMirror(client, oci.Mirror{Host: server.Listener.Addr().String(), Namespace: "mirror"}, 4)
	for range 2 {
		missing, err := m.Missing(ctx, content, inv)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("missing:", len(missing.Images), "of 1 image,", len(missing.Blobs), "of 2 blobs")
		if err := m.Blobs(ctx, content, slices.Values(missing.Blobs)); err != nil {
			log.Fatal(err)
		}
		if err := m.Manifests(ctx, content, missing.Images); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// missing: 1 of 1 image, 2 of 2 blobs
	// missing: 0 of 1 image, 0 of 2 blobs
}
