package oci_test

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// TestMirrorTags: every image keeps a tag that never moves, and attachments need none.
func TestMirrorTags(t *testing.T) {
	t.Parallel()
	d := digest.FromString("root")
	own := "satchel-" + d.Encoded()
	for _, c := range []struct {
		what   string
		origin oci.Origin
		tags   []string
		signed bool
		want   []string
		fixed  string
	}{
		{"an image by digest", "operator", nil, false, []string{own}, own},
		{"an image by tag", "additional", []string{"1.0"}, false, []string{"1.0", own}, own},
		{"with several tags", "pod", []string{"1", "latest"}, false, []string{"1", "latest", own}, own},
		{"a catalog", "catalog", []string{"v4.18"}, false, []string{"v4.18", own}, own},
		{"a chart", "chart", []string{"1.2.3"}, false, []string{"1.2.3", own}, own},
		{"a release", "release", []string{"4.18.10-x86_64"}, false, []string{"4.18.10-x86_64"}, "4.18.10-x86_64"},
		{"a component", "release", []string{"4.18.0-okd-scos.1-aarch64-etcd"}, false, []string{"4.18.0-okd-scos.1-aarch64-etcd"}, "4.18.0-okd-scos.1-aarch64-etcd"},
		{"a component that was named too", "release", []string{"stable", "4.18.10-x86_64-etcd"}, false, []string{"stable", "4.18.10-x86_64-etcd"}, "4.18.10-x86_64-etcd"},
		{"the graph image", "release", []string{"latest"}, false, []string{"latest", own}, own},
		{"an image that has its digest's", "additional", []string{own, "1"}, false, []string{own, "1"}, own},
		{"a signature under a tag", "additional", []string{"sha256-1.sig"}, true, []string{"sha256-1.sig"}, ""},
		{"a referrer", "release", nil, true, nil, ""},
	} {
		img := oci.Image{Origin: c.origin, Tags: slices.Clone(c.tags), Root: oci.Descriptor{Digest: d}}
		if c.signed {
			img.Subject = digest.FromString("subject")
		}
		if got := img.MirrorTags(); !slices.Equal(got, c.want) || img.FixedTag() != c.fixed || !slices.Equal(img.Tags, c.tags) {
			t.Errorf("%s: %q, of which %q never moves", c.what, got, img.FixedTag())
		}
		if got := img.NamedTags(); len(c.tags) > 0 && !slices.Equal(got, c.tags) || len(c.tags) == 0 && !slices.Equal(got, c.want) {
			t.Errorf("%s: people call it by %q", c.what, got)
		}
	}
}
