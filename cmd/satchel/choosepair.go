package main

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// choice is what a command may read for one bundle: the one way, or, of a damaged bundle, one for each supplement of
// it, the one that was made last first.
type choice struct {
	ways [][]string // directories
	more []string   // the IDs of the supplements; nil where there is none
	of   string     // the ID of the damaged bundle
}

// chooseToRead is choose for a command that reads a bundle: a damaged one and its supplement are read
// together.
func (a *app) chooseToRead(ctx context.Context, dirs []string, w wanted) (c choice, err error) {
	more, of := pairIn(dirs, w)
	if more == nil {
		chosen, err := a.choose(ctx, dirs, w)
		return choice{ways: [][]string{chosen}}, err
	}
	damaged, err := a.dirsOf(ctx, dirs, of, w, true)
	for _, id := range more {
		var own []string
		if err == nil {
			own, err = a.dirsOf(ctx, dirs, id, w, false)
		}
		c.ways = append(c.ways, slices.Concat(own, damaged))
	}
	c.more, c.of = more, of
	return c, err
}

// dirsOf gives the directories of one bundle. A damaged one may have lost its seal, which the supplement stands in for.
func (a *app) dirsOf(ctx context.Context, dirs []string, id string, w wanted, damaged bool) (chosen []string, err error) {
	for _, dir := range dirs {
		if !hasBundle(dir, id) {
			continue
		}
		p, err := a.pick(ctx, dir, wanted{id: id, trust: w.trust})
		if lost, ok := errors.AsType[*bundle.UnfinishedError](err); ok && damaged && !lost.Running && !lost.Copy {
			err = nil
		}
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, p.dirs...)
	}
	return chosen, nil
}

// chooseToServe is chooseEach, or chooseToRead where one bundle is named.
func (a *app) chooseToServe(ctx context.Context, dirs []string, w wanted) ([]choice, error) {
	named := w.expect != "" || w.id != ""
	if more, _ := pairIn(dirs, w); named && more != nil {
		c, err := a.chooseToRead(ctx, dirs, w)
		return []choice{c}, err
	}
	each, err := a.chooseEach(ctx, dirs, w, named)
	if err == nil && named && len(each) > 1 {
		return nil, usage(errors.New("--expect and --bundle name one bundle, and directories of several are given"), "name the directory of each bundle, and check each before: satchel verify --expect FINGERPRINT DIR")
	}
	return each, err
}

// openChoice opens a bundle. Of several supplements it takes the one that was made last, which has all that was lost then,
// unless that goes without images that an earlier one has: then the one that lacks the fewest.
func (a *app) openChoice(c choice, open func(dirs []string) (*bundle.Reader, error)) (*bundle.Reader, error) {
	best, err := open(c.ways[0])
	if err != nil || c.more == nil {
		return best, err
	}
	taken := 0
	for i := 1; i < len(c.ways) && best.Lacks() > 0; i++ {
		r, err := open(c.ways[i])
		if err != nil {
			a.warn("supplement %s is not read: %s", c.more[i], text.Printable(text.OneLine(err.Error())))
			continue
		}
		if r.Lacks() < best.Lacks() {
			best, r, taken = r, best, i
		}
		if err := r.Close(); err != nil {
			return nil, errors.Join(err, best.Close())
		}
	}
	a.info("bundle %s is read together with bundle %s, which has what it has lost", c.of, c.more[taken])
	a.leaveOut(c.more, taken, best.Lacks())
	return best, nil
}

// leaveOut says which supplements are not read.
func (a *app) leaveOut(more []string, taken, lacks int) {
	left := slices.Delete(slices.Clone(more), taken, taken+1)
	switch {
	case len(left) == 0:
	case lacks > 0:
		a.warn("of several supplements of one bundle, none of which is without gaps, %s is read; left out: %s (the same again with --bundle ID takes another one, and what that has)", more[taken], text.Some(left, 5))
	case taken == 0:
		a.info("of several supplements of one bundle the one that was made last is read, which has all that was lost then; left out: %s (--bundle ID takes another one)", text.Some(left, 5))
	default:
		a.info("of several supplements of one bundle %s is read, because the one that was made last goes without images that this one has; left out: %s (--bundle ID takes another one)", more[taken], text.Some(left, 5))
	}
}

// pairIn finds the supplements and the damaged bundle in dirs; nil if they are not both there, or others are meant.
func pairIn(dirs []string, w wanted) (more []string, of string) {
	var all []bundle.Found
	for _, dir := range dirs {
		list, _, _ := bundle.List(dir, "") // an error comes again
		all = append(all, list...)
	}
	return pairOf(all, w)
}

// pairOf gives the supplements of one damaged bundle, the one that was made last first.
func pairOf(all []bundle.Found, w wanted) (more []string, of string) {
	var list []bundle.Found
	for _, f := range all {
		if isPair(f, all, w) && (of == "" || of == f.Supplements) {
			of, list = f.Supplements, append(list, f)
		}
	}
	slices.SortStableFunc(list, func(x, y bundle.Found) int { return y.Created.Compare(x.Created) })
	for _, f := range list {
		if !slices.Contains(more, f.Bundle) {
			more = append(more, f.Bundle)
		}
	}
	return more, of
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

// pairs puts each damaged bundle together with the supplements of it, the one that was made last first, where both are in
// the list.
func pairs(list []picked) (all []choice) {
	here := func(id string) bool {
		return slices.ContainsFunc(list, func(p picked) bool { return p.bundle == id })
	}
	for _, p := range list {
		if p.supplements != "" && here(p.supplements) {
			continue // it comes with that one
		}
		var with []picked
		for _, o := range list {
			if p.bundle != "" && o.supplements == p.bundle {
				with = append(with, o)
			}
		}
		slices.SortStableFunc(with, func(x, y picked) int { return y.created.Compare(x.created) })
		c := choice{ways: [][]string{p.dirs}}
		if len(with) > 0 {
			c = choice{of: p.bundle}
		}
		for _, o := range with {
			c.ways, c.more = append(c.ways, slices.Concat(o.dirs, p.dirs)), append(c.more, o.bundle)
		}
		all = append(all, c)
	}
	return all
}
