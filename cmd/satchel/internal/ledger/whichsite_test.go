package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// TestWhichSite gives one site one name, and two sites two, also where their mirrors have the
// same name.
func TestWhichSite(t *testing.T) {
	t.Parallel()
	const mirror = "registry.local:5000/ocp"
	first := func(letter string) digest.Digest { return digest.Digest("sha256:" + strings.Repeat(letter, 64)) }
	slip := func(site string) Arrival { return Arrival{Site: site, How: BySlip} }
	receipt := func(site, letter string) Arrival {
		return Arrival{Site: site, Mirror: mirror, First: first(letter), How: ByReceipt}
	}
	type step struct {
		bundle int
		at     Arrival
		fails  string // part of the error
	}
	for name, c := range map[string]struct {
		steps []step
		want  string
	}{
		"slips alone":                     {[]step{{1, slip(""), ""}, {2, slip(""), ""}}, ""},
		"a slip, then a receipt":          {[]step{{1, slip(""), ""}, {2, receipt("", "a"), ""}}, "bundle 2 at " + mirror},
		"a receipt, then a slip":          {[]step{{1, receipt("", "a"), ""}, {2, slip(""), ""}}, "bundle 2 at " + mirror},
		"a slip before sites had names":   {[]step{{1, slip(""), ""}, {2, slip("south"), ""}}, "bundle 1 at unnamed, bundle 2 at south"},
		"a newer slip, then a new site":   {[]step{{3, slip(""), ""}, {2, slip("south"), ""}}, "bundle 3 at unnamed, bundle 2 at south"},
		"a slip of one of two":            {[]step{{1, slip("north"), ""}, {1, slip("south"), ""}, {2, slip(""), "north, south"}}, "bundle 1 at north, bundle 1 at south"},
		"a slip for all":                  {[]step{{1, slip("north"), ""}, {1, slip("south"), ""}, {2, slip(Everywhere), ""}}, "bundle 2 at north, bundle 2 at south"},
		"a name, then its mirror":         {[]step{{1, receipt("north", "a"), ""}, {2, receipt("", "a"), ""}}, "bundle 2 at north"},
		"a mirror, then its name":         {[]step{{1, receipt("", "a"), ""}, {2, receipt("north", "a"), ""}}, "bundle 2 at north"},
		"a receipt under another name":    {[]step{{1, receipt("north", "a"), ""}, {1, receipt("nord", "a"), "of the site"}}, "bundle 1 at north"},
		"two mirrors of one name":         {[]step{{2, receipt("", "a"), ""}, {1, receipt("", "b"), "another mirror"}}, "bundle 2 at " + mirror},
		"two mirrors of one name, named":  {[]step{{2, receipt("north", "a"), ""}, {1, receipt("south", "b"), ""}, {3, receipt("", "a"), ""}}, "bundle 3 at north, bundle 1 at south"},
		"a slip, and the site's receipt":  {[]step{{1, slip("north"), ""}, {1, receipt("north", "a"), ""}, {2, receipt("", "a"), ""}}, "bundle 2 at north"},
		"one of two of one name is named": {[]step{{2, receipt("", "a"), ""}, {1, receipt("south", "b"), ""}}, "bundle 2 at " + mirror + ", bundle 1 at south"},
	} {
		l := &Ledger{}
		for n := 1; n <= 3; n++ {
			l.Bundles = append(l.Bundles, Bundle{Sequence: n, Bundle: fmt.Sprint(n), Sealed: time.Now()})
		}
		for i, s := range c.steps {
			names, err := l.where(s.at)
			if err != nil != (s.fails != "") || err != nil && !strings.Contains(err.Error(), s.fails) {
				t.Errorf("%s, %d: %v", name, i, err)
			}
			var which *WhichSiteError
			var other *OtherSiteError
			if err != nil && !(errors.As(err, &which) && which.Hint() != "" || errors.As(err, &other) && other.Hint() != "") {
				t.Errorf("%s, %d: %v", name, i, err)
			}
			for _, site := range names {
				l.Bundles[s.bundle-1].arrive(site, s.at)
			}
		}
		if got := l.SiteList(); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
