package main

import (
	"context"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
)

// chooseToRead is choose for a command that reads a bundle: a damaged one and its supplement are read
// together.
func (a *app) chooseToRead(ctx context.Context, dirs []string, w wanted) ([]string, error) {
	more, of := pairIn(dirs, w)
	if more == "" {
		return a.choose(ctx, dirs, w)
	}
	var chosen []string
	for _, dir := range dirs {
		for _, id := range []string{more, of} {
			if !hasBundle(dir, id) {
				continue
			}
			p, err := a.pick(ctx, dir, wanted{id: id, trust: w.trust})
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, p.dirs...)
		}
	}
	a.info("bundle %s is read together with bundle %s, which has what it has lost", of, more)
	return chosen, nil
}

// pairIn finds a supplement and the damaged bundle in dirs; "" if they are not both there, or others are meant.
func pairIn(dirs []string, w wanted) (more, of string) {
	var all []bundle.Found
	for _, dir := range dirs {
		list, _, _ := bundle.List(dir, "") // an error comes again
		all = append(all, list...)
	}
	for _, f := range all {
		i := slices.IndexFunc(all, func(o bundle.Found) bool { return f.Supplements != "" && o.Bundle == f.Supplements })
		if i < 0 || w.id != "" && w.id != f.Bundle && w.id != f.Supplements {
			continue
		}
		other := slices.ContainsFunc(all, func(o bundle.Found) bool {
			return w.expect != "" && o.Fingerprint == w.expect && o.Bundle != f.Bundle && o.Bundle != f.Supplements
		})
		if !other {
			return f.Bundle, f.Supplements
		}
	}
	return "", ""
}

// hasBundle reports whether a directory has a bundle with that ID, or a drive of it.
func hasBundle(dir, id string) bool {
	list, _, _ := bundle.List(dir, "") // an error comes again
	return slices.ContainsFunc(list, func(f bundle.Found) bool { return f.Bundle == id })
}

// pairs puts each supplement together with the damaged bundle, where both are in the list.
func pairs(list []picked) []picked {
	for i := 0; i < len(list); i++ {
		of := list[i].supplements
		k := slices.IndexFunc(list, func(p picked) bool { return of != "" && p.bundle == of })
		if k < 0 {
			continue
		}
		list[i].dirs, list[i].supplements = append(list[i].dirs, list[k].dirs...), ""
		list = slices.Delete(list, k, k+1)
		i = -1 // from the start: the list is another one
	}
	return list
}
