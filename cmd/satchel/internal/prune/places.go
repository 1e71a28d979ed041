package prune

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// lookers is how many other places are looked for at a time.
const lookers = 8

// receiptsBeside lists where receipts of images may be kept that lie in a repository, whatever
// the namespace and the limit of path components that they were unpacked with: a namespace is the
// beginning of the path, or, where the limit joined it with more by dashes, of its last component.
func receiptsBeside(repository string) (list []string) {
	parts := strings.Split(repository, "/")
	for n := range parts {
		at := strings.Join(append(parts[:n:n], "satchel"), "/")
		list = append(list, at+"/receipts", at+"-receipts")
	}
	last := len(parts) - 1
	for i, c := range parts[last] {
		if c == '-' && i > 0 {
			list = append(list, strings.Join(append(parts[:last:last], parts[last][:i]+"-satchel-receipts"), "/"))
		}
	}
	return list
}

// otherPlaces lists where the same registry may keep receipts that name what dropped bundles
// pushed.
func (s *sources) otherPlaces(own oci.Ref) (list []oci.Ref) {
	repos := map[string]bool{}
	for _, r := range s.dropped {
		for _, m := range r.Manifests {
			if m.Mark == receipt.Pushed {
				repos[m.Repo] = true
			}
		}
	}
	if len(repos) > 0 { // of images in one repository for all, too
		repos[own.Repository] = true
	}
	places := map[string]bool{}
	for repo := range repos {
		for _, place := range receiptsBeside(repo) {
			places[place] = place != own.Repository
		}
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		if places[place] {
			list = append(list, oci.Ref{Registry: own.Registry, Repository: place})
		}
	}
	return list
}

// readElsewhere reads the receipts of other places, under whatever name of the registry they were
// written. What they name stays, whoever wrote them and whatever has ended there. A place that
// this user may not read is none; what cannot be read in the others is an *[UnreadableError].
func (s *sources) readElsewhere(ctx context.Context, k receipt.Keeper, places []oci.Ref) error {
	s.elsewhere = map[oci.Ref][]string{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	for _, repo := range places {
		g.Go(func() error {
			tags, err := receiptsIn(gctx, k.Mirror, repo)
			var answer *transport.RegistryError
			if errors.As(err, &answer) && !answer.Away() && gctx.Err() == nil || err == nil && len(tags) == 0 {
				return nil
			}
			if err != nil {
				return err
			}
			found, err := allIn(gctx, receipt.Keeper{Mirror: k.Mirror, Repo: repo, Look: true, AnyHost: true})
			mu.Lock()
			defer mu.Unlock()
			s.others, s.elsewhere[repo] = append(s.others, found...), tags
			return err
		})
	}
	return g.Wait()
}

// receiptsIn lists the tags of receipts that a repository has, sorted.
func receiptsIn(ctx context.Context, m *transport.Mirror, repo oci.Ref) ([]string, error) {
	tags, err := m.Tags(ctx, repo)
	tags = slices.DeleteFunc(tags, func(tag string) bool { return !receipt.IsTag(tag) })
	slices.Sort(tags)
	return tags, err
}

// sameElsewhere reports whether the other places have the receipts that were read.
func (s *sources) sameElsewhere(ctx context.Context, m *transport.Mirror) (bool, error) {
	for repo, had := range s.elsewhere {
		if now, err := receiptsIn(ctx, m, repo); err != nil || !slices.Equal(now, had) {
			return false, err
		}
	}
	return true, nil
}

// allIn reads all receipts of a place.
func allIn(ctx context.Context, k receipt.Keeper) (list []*receipt.Receipt, err error) {
	h, err := k.History(ctx)
	if err != nil {
		return nil, err
	}
	if h.Refused != nil {
		h.Odd = append(h.Odd, h.Refused)
	}
	if err := unreadable(h.Odd); err != nil {
		return nil, err
	}
	for _, one := range slices.Concat(h.Done, h.Intents, h.Replaced) {
		r, err := one.Load()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}
