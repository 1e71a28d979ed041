package prune

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

const (
	lookAfter = 2 * time.Minute // all tags of a repository are asked for again
	lookMost  = 200             // tags that are asked for again at each turn until then
)

// look lists the tags, and asks what they name: all of them the first time and now and then; in
// between, those that are new, and some of those that can move.
func (v *view) look(ctx context.Context) error {
	list, err := v.o.Mirror.Tags(ctx, v.ref)
	if err != nil {
		return err
	}
	tags, ask := make(map[string]digest.Digest, len(list)), list
	if now := time.Now(); v.looked.IsZero() || now.Sub(v.looked) > lookAfter {
		v.looked = now
	} else {
		ask = v.some(list, tags)
	}
	named, err := v.ask(ctx, ask)
	if err != nil {
		return err
	}
	maps.Copy(tags, named)
	v.tags, v.named = tags, map[digest.Digest][]string{}
	for tag, d := range tags {
		v.named[d] = append(v.named[d], tag)
		if n := v.nodes[d]; n != nil && !n.there { // it was pushed meanwhile
			delete(v.nodes, d)
		}
	}
	return nil
}

// some chooses which tags are asked for at a turn, and notes of the others what they named.
func (v *view) some(list []string, tags map[string]digest.Digest) (ask []string) {
	var movable []string
	for _, tag := range list {
		d := v.tags[tag]
		switch {
		case d == "":
			ask = append(ask, tag)
		case v.fixed(tag, d):
			tags[tag] = d
		default:
			movable = append(movable, tag)
		}
	}
	slices.Sort(movable)
	if len(movable) > lookMost {
		for _, tag := range movable {
			tags[tag] = v.tags[tag]
		}
		v.next %= len(movable)
		movable = slices.Concat(movable[v.next:], movable[:v.next])[:lookMost]
		v.next += lookMost
	}
	return append(ask, movable...)
}

// version is how a tag begins that names a release, or a component of one.
var version = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+-`)

// fixed reports whether a tag that satchel set never moves.
func (v *view) fixed(tag string, d digest.Digest) bool {
	return tag == oci.DigestTag(d) || version.MatchString(tag) && v.f.own(v.repo, tag, d)
}

// ask asks what tags name, without those that name nothing.
func (v *view) ask(ctx context.Context, tags []string) (map[string]digest.Digest, error) {
	named := make(map[string]digest.Digest, len(tags))
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.o.Parallel)
	for _, tag := range tags {
		g.Go(func() error {
			d, err := v.o.Mirror.TagDigest(gctx, v.ref.WithTag(tag))
			mu.Lock()
			defer mu.Unlock()
			if d != "" {
				named[tag] = d
			}
			return err
		})
	}
	return named, g.Wait()
}

// doubtError says that what a registry says of a repository cannot be right.
type doubtError struct{ why string }

func (e *doubtError) Error() string { return e.why }

// doubt finds out whether the registry hides something: a tag that satchel set and that is there
// must be in the list, and a manifest that a tag names must be given.
func (v *view) doubt(ctx context.Context, items []*Item) error {
	var tags []string
	for _, item := range items {
		for _, tag := range append(slices.Clone(v.f.given[thing{v.repo, item.Digest}]), oci.DigestTag(item.Digest)) {
			if v.tags[tag] == "" && v.there(item.Digest) {
				tags = append(tags, tag)
			}
		}
	}
	slices.Sort(tags)
	named, err := v.ask(ctx, slices.Compact(tags))
	if err != nil {
		return err
	}
	for tag, d := range named {
		return &doubtError{fmt.Sprintf("the registry has the tag %s, on %s, and its list of tags lacks it", tag, short(d))}
	}
	var hidden []string
	for tag, d := range v.tags {
		if n := v.nodes[d]; n != nil && !n.there {
			hidden = append(hidden, tag)
		}
	}
	if named, err = v.ask(ctx, hidden); err != nil {
		return err
	}
	for tag, d := range named {
		if n := v.nodes[d]; n != nil && !n.there {
			return &doubtError{fmt.Sprintf("the registry has the tag %s, and does not give the manifest that it names, %s", tag, short(d))}
		}
	}
	for _, tag := range hidden { // it went meanwhile
		delete(v.tags, tag)
	}
	return nil
}
