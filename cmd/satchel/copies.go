package main

import (
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
)

// loss orders copies of a bundle by what their seals show: whole, without derived files, not whole.
func loss(f bundle.Found) int {
	damage, ok := errors.AsType[*bundle.DamageError](f.Err)
	switch {
	case f.Err == nil:
		return 0
	case ok && damage.Whole:
		return 1
	}
	return 2
}

// bestCopy is the copy of a bundle that serves best: with all its drives, of which drives has the other ones, then not damaged,
// then accepted by those who are trusted, then with all its files, then with most signatures. With trust, only those
// count that are trusted: a stranger can add any number of others.
func bestCopy(list []bundle.Found, drives map[string][]bundle.Found, trust *bundle.Trust) bundle.Found {
	rank := make([][]int, len(list))
	for i, f := range list {
		worst := loss(f)
		for _, d := range drives[f.Dir] {
			worst = max(worst, loss(d))
		}
		refused, signed := 0, f.Signed
		if trust != nil {
			var enough bool
			if signed, enough = f.Trusted(trust); !enough {
				refused = 1
			}
		}
		rank[i] = []int{-len(drives[f.Dir]), worst / 2, refused, worst, -len(signed)}
	}
	best := 0
	for i := range list {
		if slices.Compare(rank[i], rank[best]) < 0 {
			best = i
		}
	}
	return list[best]
}
