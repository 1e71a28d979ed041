package text

import (
	"cmp"
	"slices"
	"strings"
)

const (
	maxSimilar = 3   // names that are proposed
	maxLonger  = 6   // if more words follow in all of them, as a tag for each architecture
	maxTyping  = 4   // bytes that a slip may change, however long the name
	maxTyped   = 256 // longer names are no slip
)

// Nearest gives a few of names that differ from name by few letters, the nearest first,
// and then those of which name is the first words, or that are the first words of name.
func Nearest(name string, names []string) []string {
	type candidate struct {
		name string
		away int
	}
	if len(name) > maxTyped || name == "" {
		return nil
	}
	limit := min(maxTyping, (len(name)+2)/3)
	var list []candidate
	for _, n := range names {
		if begins(n, name) || begins(name, n) {
			list = append(list, candidate{n, maxTyping})
			continue
		}
		if len(n) > len(name)+limit || len(n)+limit < len(name) {
			continue
		}
		if away := Distance(name, n); away <= limit && 2*away <= max(len(n), len(name)) {
			list = append(list, candidate{n, away})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.name, b.name)) })
	most := maxSimilar
	if len(list) > 0 && list[0].away == maxTyping {
		most = maxLonger
	}
	var out []string
	for _, n := range list[:min(len(list), most)] {
		out = append(out, n.name)
	}
	return out
}

// begins reports whether whole has more words behind those of first.
func begins(whole, first string) bool {
	rest, ok := strings.CutPrefix(whole, first)
	return ok && first != "" && rest != "" && strings.ContainsRune("-._+", rune(rest[0]))
}

// Distance counts the bytes to insert, drop or replace between a and b (Levenshtein).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
