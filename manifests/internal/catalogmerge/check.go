package catalogmerge

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Check says what of keep, by channel, is not in a package that was filtered: an *[Error],
// nil if all is there.
func Check(keep map[string][]string, out *declcfg.DeclarativeConfig) error {
	has := map[string]bool{}
	for _, b := range out.Bundles {
		has[b.Name] = true
	}
	var errs []*Error
	for channel, names := range keep {
		i := slices.IndexFunc(out.Channels, func(c declcfg.Channel) bool { return c.Name == channel })
		var lost []string
		for _, name := range names {
			if i < 0 || !has[name] || !hasEntry(out.Channels[i], name) {
				lost = append(lost, name)
			}
		}
		if len(lost) > 0 {
			errs = append(errs, &Error{channel, fmt.Sprintf("no update leads from %s to its head any more, or operator-registry refuses it", text.Some(text.Sorted(lost), 10))})
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return slices.MinFunc(errs, func(a, b *Error) int { return cmp.Compare(a.Channel, b.Channel) })
}
