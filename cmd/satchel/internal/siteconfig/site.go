package siteconfig

import "slices"

// Site is the entries of all files: those of the file that counts most come first.
type Site struct{ Entries []Entry }

// Lookup gives the entries for a flag of a command: the one that holds, and behind it those that it
// replaces. In a file, the section of a command comes before the defaults.
func (s Site) Lookup(command, flag string, apart bool) (list []Entry) {
	for _, e := range s.Entries {
		if e.Flag == flag && (e.Section == command || e.Section == Defaults && !apart) {
			list = append(list, e)
		}
	}
	rank := func(e Entry) int {
		for i, o := range s.Entries {
			if o.File == e.File {
				return i // where the entries of its file begin
			}
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b Entry) int {
		switch {
		case a.File != b.File:
			return rank(a) - rank(b)
		case a.Section == b.Section:
			return 0
		case a.Section == Defaults:
			return 1
		}
		return -1
	})
	return list
}
