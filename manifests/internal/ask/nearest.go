package ask

import (
	"cmp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/strict"
)

const (
	maxSimilar = 3   // names that are proposed
	maxTyping  = 4   // bytes that a slip may change, however long the name
	maxTyped   = 256 // longer names are no slip
)

// nearest gives up to three of names that differ from name by few letters, the
// nearest first, and then those of which name is the first words.
func nearest(name string, names []string) []string {
	type candidate struct {
		name string
		away int
	}
	if len(name) > maxTyped {
		return nil
	}
	limit := min(maxTyping, (len(name)+2)/3)
	var list []candidate
	for _, n := range names {
		if name != "" && strings.HasPrefix(n, name+"-") {
			list = append(list, candidate{n, maxTyping})
			continue
		}
		if len(n) > len(name)+limit || len(n)+limit < len(name) {
			continue
		}
		if away := strict.Distance(name, n); away <= limit && 2*away <= max(len(n), len(name)) {
			list = append(list, candidate{n, away})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.name, b.name)) })
	var out []string
	for _, n := range list[:min(len(list), maxSimilar)] {
		out = append(out, n.name)
	}
	return out
}
