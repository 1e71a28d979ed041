package main

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// chooseToRead is choose for a command that reads a bundle: a damaged one and its supplement are read
// together.
func (a *app) chooseToRead(ctx context.Context, dirs []string, w wanted) ([]string, error) {
	more, of, older := pairIn(dirs, w)
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
			if lost, ok := errors.AsType[*bundle.UnfinishedError](err); ok && id == of && !lost.Running && !lost.Copy {
				err = nil // it has lost its seal, which the supplement stands in for
			}
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, p.dirs...)
		}
	}
	a.info("bundle %s is read together with bundle %s, which has what it has lost", of, more)
	a.leaveOut(older)
	return chosen, nil
}

// chooseToServe is chooseEach, or chooseToRead where one bundle is named.
func (a *app) chooseToServe(ctx context.Context, dirs []string, w wanted) ([][]string, error) {
	named := w.expect != "" || w.id != ""
	if more, _, _ := pairIn(dirs, w); named && more != "" {
		chosen, err := a.chooseToRead(ctx, dirs, w)
		return [][]string{chosen}, err
	}
	each, err := a.chooseEach(ctx, dirs, w, named)
	if err == nil && named && len(each) > 1 {
		return nil, usage(errors.New("--expect and --bundle name one bundle, and directories of several are given"), "name the directory of each bundle, and check each before: satchel verify --expect FINGERPRINT DIR")
	}
	return each, err
}

// leaveOut says which supplements are not read.
func (a *app) leaveOut(older []string) {
	if len(older) > 0 {
		a.info("of several supplements of one bundle the one that was made last is read, which has all that was lost then; left out: %s (--bundle ID takes another one)", text.Some(older, 5))
	}
}

// pairIn finds a supplement and the damaged bundle in dirs; "" if they are not both there, or others are meant.
func pairIn(dirs []string, w wanted) (more, of string, older []string) {
	var all []bundle.Found
	for _, dir := range dirs {
		list, _, _ := bundle.List(dir, "") // an error comes again
		all = append(all, list...)
	}
	return newestPair(all, w)
}

// newestPair takes, of several supplements of a bundle, the one that was made last: it has all that was lost then. older
// are the others.
func newestPair(all []bundle.Found, w wanted) (more, of string, older []string) {
	var pick bundle.Found
	for _, f := range all {
		if !isPair(f, all, w) || pick.Bundle != "" && pick.Supplements != f.Supplements {
			continue
		}
		if pick.Bundle == "" || f.Created.After(pick.Created) {
			pick, f = f, pick
		}
		if f.Bundle != "" && f.Bundle != pick.Bundle && !slices.Contains(older, f.Bundle) {
			older = append(older, f.Bundle)
		}
	}
	return pick.Bundle, pick.Supplements, older
}

// isPair reports whether f is a supplement of a bundle among all, and they are meant.
func isPair(f bundle.Found, all []bundle.Found, w wanted) bool {
	return f.Supplements != "" && (w.id == "" || w.id == f.Bundle || w.id == f.Supplements) &&
		slices.ContainsFunc(all, func(o bundle.Found) bool { return o.Bundle == f.Supplements }) &&
		!slices.ContainsFunc(all, func(o bundle.Found) bool {
			return w.expect != "" && o.Fingerprint == w.expect && o.Bundle != f.Bundle && o.Bundle != f.Supplements
		})
}

// hasBundle reports whether a directory has a bundle with that ID, or a drive of it.
func hasBundle(dir, id string) bool {
	list, _, _ := bundle.List(dir, "") // an error comes again
	return slices.ContainsFunc(list, func(f bundle.Found) bool { return f.Bundle == id })
}

// pairs puts each damaged bundle together with the supplement of it that was made last, where both are in the list. older
// are the supplements that are left out.
func pairs(list []picked) (all []picked, older []string) {
	last := map[string]picked{} // by the damaged bundle
	for _, p := range list {
		if p.supplements != "" && (last[p.supplements].bundle == "" || p.created.After(last[p.supplements].created)) {
			last[p.supplements] = p
		}
	}
	here := func(id string) bool {
		return slices.ContainsFunc(list, func(p picked) bool { return p.bundle == id })
	}
	for _, p := range list {
		with, damaged := last[p.bundle]
		switch {
		case damaged:
			all = append(all, picked{bundle: with.bundle, dirs: slices.Concat(with.dirs, p.dirs)})
		case p.supplements == "" || !here(p.supplements):
			all = append(all, p)
		case p.bundle != last[p.supplements].bundle:
			older = append(older, p.bundle)
		}
	}
	return all, older
}
