package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// insecure is a client that speaks plain HTTP, has no credentials and loses no
// time between tries.
func insecure(t *testing.T) *Client {
	t.Helper()
	return quick(t, Config{Authfile: writeFile(t, "auth.json", `{"auths":{}}`), UserAgent: "satchel/test"})
}

func quick(t *testing.T, cfg Config) *Client {
	t.Helper()
	c := NewClient(cfg)
	c.retry, c.lookFor = retry.Policy{Times: 2, First: time.Millisecond}, 0
	t.Cleanup(c.Close)
	return c
}

func mirrorAt(c *Client, host string, parallel int) *Mirror {
	return NewMirror(c, oci.Mirror{Host: host, Namespace: "mirror"}, parallel)
}

// images makes an inventory of one image a repository.
func images(roots map[string]oci.Descriptor) *oci.Inventory {
	inv := &oci.Inventory{}
	for name, root := range roots {
		src := oci.Ref{Registry: "registry.example", Repository: "team/" + name, Tag: "1"}
		inv.Images = append(inv.Images, oci.Image{Origin: "additional", Source: src, Root: root, Tags: []string{"1"}})
	}
	inv.Sort()
	return inv
}

// fill brings the inventory to the mirror as unpack does.
func fill(ctx context.Context, m *Mirror, src oci.Source, inv *oci.Inventory) error {
	missing, err := m.Missing(ctx, src, inv)
	if err != nil {
		return err
	}
	if err := m.Blobs(ctx, src, slices.Values(missing.Blobs)); err != nil {
		return err
	}
	return m.Manifests(ctx, src, missing.Images)
}

func mustFill(t *testing.T, m *Mirror, src oci.Source, inv *oci.Inventory) {
	t.Helper()
	if err := fill(t.Context(), m, src, inv); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, c *Client, ref oci.Ref, d oci.Descriptor) bool {
	t.Helper()
	r, err := c.Repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := r.Has(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func readFrom(t *testing.T, src oci.Source, d oci.Descriptor, off int64) ([]byte, error) {
	t.Helper()
	rc, err := src.Open(t.Context(), d, off)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(rc)
	return b, errors.Join(err, rc.Close())
}

// fake is a registry made of one handler.
func fake(t *testing.T, h http.HandlerFunc) (host string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return strings.TrimPrefix(srv.URL, "http://")
}

// oneBlob is content with a blob, and its delivery to a repository at host.
func oneBlob(host string, size int) (*ocitest.Content, Delivery) {
	c := ocitest.New(11)
	d := c.Layer(size, ocitest.LayerGzip)
	return c, Delivery{Blob: d, Repos: []oci.Ref{{Registry: host, Repository: "mirror/one"}}}
}

func proxied(t *testing.T) (*registrytest.Proxy, *Client) {
	t.Helper()
	return registrytest.StartProxy(t, registrytest.Start(t).Host), insecure(t)
}
