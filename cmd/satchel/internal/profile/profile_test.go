package profile

import (
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Profile{
		"dvd":   {"dvd", 4_700_372_992 - reserve, 2048, 128 << 20, 1},
		"bd25":  {"bd25", 24_220_008_448 - reserve, 2048, 256 << 20, 1},
		"BD50":  {"bd50", 48_440_016_896 - reserve, 2048, 512 << 20, 1},
		"fat32": {Name: "fat32", Cluster: 32 << 10},
		"exfat": {Name: "exfat", Cluster: 128 << 10},
		"64GB":  {VolumeSize: 64e9},
		"4GiB":  {VolumeSize: 4 << 30},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s is written as %q", text, got)
		}
	}
	for _, bad := range []string{"", "0", "cd", "bd100", "-1"} {
		if p, err := Parse(bad); err == nil {
			t.Errorf("%q is %+v", bad, p)
		}
	}
}

// TestBelow2GiB: many gates and portals take no larger files.
func TestBelow2GiB(t *testing.T) {
	t.Parallel()
	for _, p := range known() {
		if size := max(p.SegmentSize, bundle.DefaultSegmentSize); size >= 2<<30 || size < bundle.MinSegmentSize {
			t.Errorf("%s has files of %d bytes", p.Name, size)
		}
		if p.Disc() && (p.Lanes != 1 || p.VolumeSize%2048 != 0) {
			t.Errorf("%s: %+v", p.Name, p)
		}
	}
}
