package filter

import (
	"errors"
	"slices"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// Choose names, sorted, the bundles of a package that a request asks for, each for itself:
// without what updates lead through, and whatever a package of them alone would be worth.
// Without a range all of a channel is meant. A channel or a range of which there is nothing is no error. The error joins an *[Error] for
// each channel from which nothing can be chosen.
func Choose(cfg *declcfg.DeclarativeConfig, req Request) ([]string, error) {
	f := &filter{cfg: cfg, req: req, versions: map[string]version{}}
	for i := range cfg.Bundles {
		if v, err := versionOf(&cfg.Bundles[i]); err == nil {
			f.versions[cfg.Bundles[i].Name] = v
		}
	}
	var names []string
	var errs []error
	for _, c := range cfg.Channels {
		chosen, err := f.choose(&c)
		names, errs = append(names, chosen...), append(errs, err)
	}
	slices.Sort(names)
	return slices.Compact(names), errors.Join(errs...)
}

// choose names what is asked for of one channel.
func (f *filter) choose(c *declcfg.Channel) (names []string, err error) {
	rng, field, asked := f.ask(c.Name)
	if !asked {
		return nil, nil
	}
	if f.readable(c); len(c.Entries) == 0 {
		return nil, nil
	}
	if f.req.Full || rng == (Range{}) {
		for _, e := range c.Entries {
			names = append(names, e.Name)
		}
		return names, nil
	}
	g, err := newGraph(c, f.versions)
	if err != nil {
		return nil, &Error{Channel: c.Name, Why: err.Error()}
	}
	wanted := map[int]bool{}
	if _, bad := rng.parse(); bad != nil {
		return nil, f.inRange(g, c.Name, field, rng, wanted)
	}
	_ = f.inRange(g, c.Name, field, rng, wanted) // a range without a version is no error here
	for i, e := range g.entries {
		if wanted[i] {
			names = append(names, e.Name)
		}
	}
	return names, nil
}
