package main

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
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

// leftOvers are drives that were begun, and then finished on another drive, which is here too.
func leftOvers(all []bundle.Found) (list []bundle.Found) {
	for _, f := range all {
		e, unfinished := errors.AsType[*bundle.UnfinishedError](f.Err)
		if f.Of > 0 && unfinished && !e.Copy && slices.ContainsFunc(all, func(o bundle.Found) bool {
			return o.Bundle == f.Bundle && o.Drive == f.Drive && o.Sealed
		}) {
			list = append(list, f)
		}
	}
	return list
}

// leaveLeftOvers takes left-overs out of what is there, and names them.
func (a *app) leaveLeftOvers(all []bundle.Found) []bundle.Found {
	for _, f := range leftOvers(all) {
		a.warn("%s is a left-over of drive %s, which was finished on another drive: not looked at; it can be deleted", text.Printable(f.Dir), bundle.DriveLabel{Bundle: f.Bundle, Number: f.Drive, Of: f.Of}.Label())
		all = slices.DeleteFunc(slices.Clone(all), func(o bundle.Found) bool { return o.Dir == f.Dir })
	}
	return all
}

// withoutLeftOvers leaves out directories that have nothing but left-overs of drives which the others have.
func (a *app) withoutLeftOvers(dirs []string, w wanted) (list []string) {
	var all []bundle.Found
	for _, dir := range dirs {
		found, _ := a.found(dir, w) // an error comes up again
		all = append(all, found...)
	}
	if len(leftOvers(all)) == 0 {
		return dirs
	}
	kept := a.leaveLeftOvers(all)
	for _, dir := range dirs {
		found, _ := a.found(dir, w)
		if len(found) == 0 || slices.ContainsFunc(found, func(f bundle.Found) bool {
			return slices.ContainsFunc(kept, func(o bundle.Found) bool { return o.Dir == f.Dir })
		}) {
			list = append(list, dir)
		}
	}
	return list
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
