package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// having is a bundle that has some content.
func having(has ...string) Bundle {
	return Bundle{Inventory: &oci.Inventory{}, Source: oci.SourceFunc(func(_ context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, error) {
		for _, body := range has {
			if digest.FromString(body) == d.Digest {
				return io.NopCloser(strings.NewReader(body)), nil
			}
		}
		return nil, fmt.Errorf("not here%.0w", fs.ErrNotExist)
	})}
}

// TestBundlesTogether: what an incremental bundle lacks is read from the one before it; what none has is not read,
// which is no fault of the mirror.
func TestBundlesTogether(t *testing.T) {
	t.Parallel()
	delta, baseline := having("root"), having("layer")
	layer := func(src oci.Source, _ oci.Descriptor) error {
		r, err := src.Open(t.Context(), oci.Descriptor{Digest: digest.FromString("layer")}, 0)
		if err != nil {
			return fmt.Errorf("open layer: %w", err)
		}
		return r.Close()
	}
	for name, tc := range map[string]struct {
		bundles []Bundle
		want    error
	}{
		"both": {[]Bundle{delta, baseline}, nil}, "other order": {[]Bundle{baseline, delta}, nil}, "without the baseline": {[]Bundle{delta}, errAbsent}, "one that is not open": {[]Bundle{delta, {}}, errAbsent},
	} {
		c := &checking{Options: Options{Bundles: tc.bundles}}
		if err := c.fromBundles(delta.Source, oci.Descriptor{}, layer); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestThere: a catalog that files for a cluster name by its place in the mirror is there if a bundle has it.
func TestThere(t *testing.T) {
	t.Parallel()
	root := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromString("catalog")}
	source := oci.Ref{Registry: "source.example", Repository: "redhat/index", Tag: "v4.18"}
	c := carriedOf(nil, []Bundle{{Inventory: &oci.Inventory{Images: []oci.Image{{Source: source, Root: root, Built: true}}}}})
	place := oci.Ref{Registry: "mirror.example", Repository: "ocp/redhat/index", Digest: root.Digest}
	if got := c.there(place, place); got != root.Digest {
		t.Errorf("by its name in the mirror: %q", got)
	}
	place.Digest = digest.FromString("another")
	if got := c.there(place, place); got != "" {
		t.Errorf("another one: %q", got)
	}
}
