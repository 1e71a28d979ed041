package transport

import (
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// everything is content with shared layers in two images of two platforms.
func everything(t *testing.T, seed uint64, layers, size int) (*ocitest.Content, *oci.Inventory) {
	t.Helper()
	content := ocitest.New(seed)
	shared := content.Layer(size, ocitest.LayerGzip)
	var list []oci.Descriptor
	for range layers {
		list = append(list, content.Layer(size, ocitest.LayerGzip))
	}
	return content, images(map[string]oci.Descriptor{
		"a": content.Image(false, append(list, shared)...),
		"b": content.Image(true, shared),
	})
}

// pulled reads everything of an inventory that fill brought to the mirror at
// host, and gives the number of bytes.
func pulled(t *testing.T, c *Client, host string, inv *oci.Inventory) (total int64) {
	t.Helper()
	for _, img := range inv.Images {
		ref := oci.Mirror{Host: host, Namespace: "mirror"}.Repo(img)
		ref.Tag = img.NamedTags()[0]
		d, src, err := c.Resolve(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if d.Digest != img.Root.Digest {
			t.Fatalf("%s is %s, want %s", ref, d.Digest, img.Root.Digest)
		}
		err = oci.Walk(t.Context(), src, d, func(d oci.Descriptor, body []byte) error {
			total += d.Size
			if body != nil {
				return nil
			}
			_, err := readFrom(t, oci.Verified(src), d, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return total
}

// TestRegistries has each registry as the mirror, and then as the source.
func TestRegistries(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (string, Config){
		"docker-registry": func(t *testing.T) (string, Config) {
			return registrytest.Start(t).Host, Config{Authfile: authfile(t, nil)}
		},
		"docker-registry with password": func(t *testing.T) (string, Config) {
			host := registrytest.StartAuth(t, "user", "geheim").Host
			return host, Config{Authfile: authfile(t, map[string]string{host: "user:geheim"})}
		},
		"distribution v3": func(t *testing.T) (string, Config) {
			return registrytest.StartV3(t, false, "", "").Host, Config{Authfile: authfile(t, nil)}
		},
		"distribution v3 with TLS and password": func(t *testing.T) (string, Config) {
			reg := registrytest.StartV3(t, true, "user", "geheim")
			return reg.Host, Config{Authfile: authfile(t, map[string]string{reg.Host: "user:geheim"}), TLSVerify: true, CAFile: reg.CA}
		},
		"olareg": func(t *testing.T) (string, Config) {
			return registrytest.StartOlareg(t).Host, Config{Authfile: authfile(t, nil)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, cfg := start(t)
			content, inv := everything(t, 3, 2, 300<<10)
			m := mirrorAt(quick(t, cfg), host, 3)
			mustFill(t, m, content, inv)
			pulled(t, quick(t, cfg), host, inv)
			missing, err := m.Missing(t.Context(), content, inv)
			if err != nil || missing.Present != 2 || len(missing.Blobs) != 0 {
				t.Errorf("afterwards %+v is missing, %v", missing, err)
			}
		})
	}
}
