package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
)

// leastDigits is how many digits of a fingerprint are enough to confirm a bundle: 64 bits.
const leastDigits = 16

var beginning = regexp.MustCompile(fmt.Sprintf(`^[0-9a-f]{%d,64}$`, leastDigits))

// ParseBeginning reads a fingerprint, or at least its first 16 digits, as people type it:
// with spaces, colons or hyphens, in capitals or not.
func ParseBeginning(s string) (string, error) {
	digits := strings.ToLower(strings.NewReplacer(" ", "", "\t", "", ":", "", "-", "").Replace(s))
	if !beginning.MatchString(digits) {
		return "", fmt.Errorf("%.80q: a fingerprint has 64 hexadecimal digits, and the first %d are enough", s, leastDigits)
	}
	return digits, nil
}

// Confirmed is a bundle that is known to have arrived.
type Confirmed struct {
	Stream bundle.Stream
	Bundle Bundle
	Before bool      // it was known before, of the same site
	At     time.Time // when it became known
	Site   string    // the last one that it is noted for
	Newest Bundle    // of the stream that is known to have arrived: this one or a newer one
	Sites  string    // which bundle each site has; see [Ledger.SiteList]
}

// Confirm notes that the bundle with that fingerprint, or one that begins so, arrived. It looks
// into every ledger of this host. Errors: *[UnknownError], *[AmbiguousError], *[WhichSiteError],
// *[OtherSiteError], those of [Read].
func Confirm(state, digits string, a Arrival) (c Confirmed, err error) {
	list, unread := All(state)
	var fits []Known
	var in *Ledger
	for _, l := range list {
		for _, b := range l.Bundles {
			if b.Fingerprint != "" && strings.HasPrefix(string(b.Fingerprint), digits) {
				fits, in = append(fits, Known{l.Name, b.Sequence, b.Fingerprint}), l
			}
		}
	}
	switch {
	case len(fits) == 0:
		return c, errors.Join(&UnknownError{digits, known(list)}, unread)
	case len(fits) > 1:
		return c, &AmbiguousError{digits, fits}
	}
	err = At(state, in.Name).change(func(l *Ledger) (bool, error) {
		i := slices.IndexFunc(l.Bundles, func(b Bundle) bool { return b.Fingerprint == fits[0].Fingerprint })
		if i < 0 {
			return false, &UnknownError{digits, known(list)} // it was taken away meanwhile
		}
		names, err := l.where(a)
		if err != nil {
			return false, fmt.Errorf("confirm bundle %d of the stream %s: %w", fits[0].Sequence, l.Name, err)
		}
		b, before := &l.Bundles[i], l.SiteList()
		c.Before = true
		for _, name := range names {
			c.Before = !b.arrive(name, a) && c.Before
			k := slices.IndexFunc(b.Sites, func(s Site) bool { return s.Name == name })
			c.At, c.Site = b.Sites[k].At, cmp.Or(name, Unnamed)
		}
		l.forget() // what is told is what stays
		c.Stream, c.Bundle, c.Newest, c.Sites = l.Stream(), *b, *l.Arrived(), l.SiteList()
		return !c.Before || a.Mirror != "" || before != c.Sites, nil
	})
	return c, err
}

// known lists the finished bundles of ledgers, the last ones of each first.
func known(list []*Ledger) (all []Known) {
	for back := 1; ; back++ {
		some := false
		for _, l := range list {
			if at := len(l.Bundles) - back; at >= 0 {
				some = true
				if b := l.Bundles[at]; b.Fingerprint != "" {
					all = append(all, Known{l.Name, b.Sequence, b.Fingerprint})
				}
			}
		}
		if !some {
			return all
		}
	}
}
