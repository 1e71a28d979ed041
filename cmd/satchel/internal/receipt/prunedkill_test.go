package receipt_test

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
)

// replaceAll does what a prune of the first bundle does with receipts.
func (s site) replaceAll(ctx context.Context, k *receipt.Keeper) error {
	h, err := k.History(ctx)
	if err != nil {
		return err
	}
	dropped := slices.DeleteFunc(slices.Clone(h.Done), func(one *receipt.Kept) bool { return one.Head.Bundle == "bbbbbbbbbbbbbbbb" })
	var list []*receipt.Receipt
	for _, one := range dropped {
		r, err := h.Sure(one)
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	if _, err := k.Replace(ctx, h, receipt.Left(s.mirror, list, everything{}), dropped); err != nil {
		return err
	}
	_, err = k.Remove(ctx, h)
	return err
}

// TestReplaceKilled ends a prune at each of its requests while it replaces receipts: no fact is lost
// at any moment, and the next run does the rest.
func TestReplaceKilled(t *testing.T) {
	t.Parallel()
	ended := false
	for stop := 0; !ended; stop++ {
		s := newSite(t)
		k := s.keeper(s.state)
		dropped, kept, _ := s.three(k)
		facts, err := dropped.Load()
		if err != nil {
			t.Fatal(err)
		}
		ctx, kill := context.WithCancel(t.Context())
		var n atomic.Int32
		s.proxy.Answer = func(http.ResponseWriter, *http.Request) bool {
			if int(n.Add(1)) == stop+1 {
				kill()
			}
			return false
		}
		ended = s.replaceAll(ctx, k) == nil && ctx.Err() == nil
		kill()
		s.proxy.Answer = nil
		known := func(when string) {
			t.Helper()
			list, err := s.history(k).LoadSure()
			if err != nil {
				t.Fatal(err)
			}
			all := receipt.Merge(list...)
			for _, m := range facts.Manifests {
				if !slices.Contains(all.Manifest(m.Digest), receipt.Place{Repo: m.Repo, Mark: receipt.Pushed}) {
					t.Errorf("%s, at request %d: %s is not known as pushed", when, stop, m.Digest)
				}
			}
		}
		known("killed")
		if err := s.replaceAll(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		known("completed")
		h := s.history(k)
		if len(h.Replaced) != 0 || len(h.Intents) != 0 || len(h.Done) != 2 || h.Done[0].Digest != kept.Digest || h.Done[1].Head.From != receipt.Pruned || h.Done[1].Tag == "" || len(h.Open()) != 0 {
			t.Errorf("at request %d: %+v", stop, h)
		}
		tags, err := k.Mirror.Tags(t.Context(), k.Repo)
		if err != nil || len(tags) != 2 {
			t.Errorf("at request %d: the mirror has %v, %v", stop, tags, err)
		}
		if files, err := filepath.Glob(filepath.Join(k.Dir, "*", "*.json")); err != nil || len(files) != 4 {
			t.Errorf("at request %d: this host has %v, %v", stop, files, err)
		}
	}
}
