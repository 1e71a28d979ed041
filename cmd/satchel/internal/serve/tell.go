package serve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// LackingError says that no image is whole.
type LackingError struct{ LeftOut []LeftOut }

func (e *LackingError) Error() string {
	return fmt.Sprintf("none of the images is whole: %s without what earlier bundles brought", text.Count(len(e.LeftOut), "image", "images"))
}

// Permanent is true: somebody must bring the other bundles.
func (e *LackingError) Permanent() bool { return true }

// Hint says what to do now.
func (e *LackingError) Hint() string {
	return "give the directories of those bundles too: " + text.Some(broughtBy(e.LeftOut), 5)
}

// broughtBy lists the bundles that are missing, the oldest first, each once.
func broughtBy(list []LeftOut) (names []string) {
	list = slices.SortedStableFunc(slices.Values(list), func(a, b LeftOut) int { return a.Brought.Sequence - b.Brought.Sequence })
	for _, l := range list {
		name := "bundle " + l.Brought.Bundle
		if s := l.Brought.Stream; s != nil {
			name = fmt.Sprintf("bundle %d of the stream %s (%s)", l.Brought.Sequence, s.Name, l.Brought.Bundle)
		}
		if l.Brought.Fingerprint != "" {
			name += " with the fingerprint " + bundle.Fingerprint(l.Brought.Fingerprint).Grouped()
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// mostTold is how many things of a kind are said.
const mostTold = 50

// fewImages is how many images are named at the start; the debug log has all.
const fewImages = 5

// tell says at the start what a person would not expect.
func (g *Registry) tell(moved map[contest][]string, withdrawn []string) {
	for _, c := range slices.SortedFunc(maps.Keys(moved), func(a, b contest) int {
		return cmp.Or(strings.Compare(a.winner, b.winner), strings.Compare(a.loser, b.loser))
	}) {
		tags := moved[c]
		g.Info("%s in two bundles; served as in %s, and not as in %s: %s", text.Count(len(tags), "tag names different images", "tags name different images"), c.winner, c.loser, text.Some(tags, fewImages))
	}
	if n := len(withdrawn); n > 0 {
		g.Warn("%s not served, because the bundles given have only an older image for %s: %s", text.Count(n, "tag is", "tags are"), map[bool]string{true: "it", false: "them"}[n == 1], text.Some(withdrawn, fewImages))
	}
	list := g.rep.LeftOut
	if len(list) == 0 {
		return
	}
	g.Warn("%s left out what earlier bundles brought; to serve all, give the directories of those too: %s", text.Count(len(list), "image is not served: its bundle", "images are not served: their bundles"), text.Some(broughtBy(list), fewImages))
	for i, l := range list {
		say := g.Debug
		if i < fewImages {
			say = g.Warn
		}
		say("not served: %s, which lacks %s", l.Image.Describe(), l.Content)
	}
	if n := len(list) - fewImages; n > 0 {
		g.Warn("not served: %d more, which --log-level debug names", n)
	}
}

// warnGaps says that a bundle never had all that was asked for.
func (g *Registry) warnGaps(r *bundle.Reader) {
	if n := len(r.Inventory().Gaps); n > 0 {
		g.Warn("%s lacks %s, not available when it was packed; satchel inspect lists what", named(r), text.Count(n, "image", "images"))
	}
}
