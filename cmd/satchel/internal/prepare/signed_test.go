package prepare

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// TestTellUnsigned: what is said of rules holds for those that are refused an image, and one that no
// pod of a namespace uses yet is no gap.
func TestTellUnsigned(t *testing.T) {
	t.Parallel()
	one := manifests.Unsigned{Image: oci.Image{Source: oci.Ref{Registry: "q.io", Repository: "app", Digest: digest.FromString("app")}}, Manifest: digest.FromString("app"), Policy: "ImagePolicy shop/p", When: "now", Err: manifests.ErrUnsigned}
	west, unused := one, one
	west.Clusters = []string{"west"}
	unused.Namespace, unused.Unused = "shop", true
	for name, tc := range map[string]struct {
		one  manifests.Unsigned
		gaps int
		want string
	}{
		"everywhere":     {one, 1, "no rule will lead nodes to them"},
		"of one cluster": {west, 1, "rules will lead nodes to those that some pods or clusters alone refuse"},
		"not used yet":   {unused, 0, "for pods of the namespace shop, if they come to use it"},
	} {
		var log strings.Builder
		s := New(Options{})
		s.To = notice.To{Log: slog.New(slog.NewTextHandler(&log, nil))}
		s.unsigned = []manifests.Unsigned{tc.one}
		s.tellUnsigned()
		if n := len(s.Gaps.Images); n != tc.gaps || !strings.Contains(log.String(), tc.want) || tc.gaps == 0 && strings.Contains(log.String(), "rule") {
			t.Errorf("%s: %d gaps, said %s", name, n, log.String())
		}
	}
}
