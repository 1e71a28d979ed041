package main

import (
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
)

// together takes the drives of a bundle that stand beside each other for one: the last one, if
// it is there, for all. Several copies of a bundle are one each, if each has a directory of its own. rest are the others,
// by the directory of that one.
func together(all []bundle.Found) (list []bundle.Found, rest map[string][]bundle.Found) {
	rest = map[string][]bundle.Found{}
	groups := map[string][]bundle.Found{}
	for _, f := range all {
		groups[f.Bundle] = append(groups[f.Bundle], f)
	}
	for _, f := range all {
		drives := groups[f.Bundle]
		if !areDrives(drives) {
			drives = beside(f, drives)
		}
		if f.Of == 0 || !areDrives(drives) {
			list = append(list, f)
			continue
		}
		last := slices.MaxFunc(drives, func(x, y bundle.Found) int { return x.Drive - y.Drive })
		if f.Dir == last.Dir {
			list = append(list, f)
		} else {
			rest[last.Dir] = append(rest[last.Dir], f)
		}
	}
	return list, rest
}

// beside leaves of a list what stands in the same directory as f.
func beside(f bundle.Found, list []bundle.Found) (same []bundle.Found) {
	for _, o := range list {
		if filepath.Dir(o.Dir) == filepath.Dir(f.Dir) {
			same = append(same, o)
		}
	}
	return same
}

// areDrives reports whether all are different drives.
func areDrives(list []bundle.Found) bool {
	seen := map[int]bool{}
	for _, f := range list {
		if f.Of == 0 || seen[f.Drive] {
			return false
		}
		seen[f.Drive] = true
	}
	return true
}
