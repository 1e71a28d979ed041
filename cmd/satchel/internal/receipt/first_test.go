package receipt_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/transport"
)

// TestFirst takes the first receipt of a mirror from what that mirror keeps, not from what this
// host has of another one with the same name.
func TestFirst(t *testing.T) {
	t.Parallel()
	sum := func(letter string) digest.Digest { return digest.Digest("sha256:" + strings.Repeat(letter, 64)) }
	kept := func(letter, first, tag string, own bool) *receipt.Kept {
		one := &receipt.Kept{Digest: sum(letter), Tag: tag, Own: own}
		if first != "" {
			one.Head.First = sum(first)
		}
		return one
	}
	pruned := kept("f", "", "pruned", true)
	pruned.Head.From = receipt.Pruned
	for name, c := range map[string]struct {
		done  []*receipt.Kept
		quiet bool // the mirror keeps none
		want  digest.Digest
	}{
		"nothing":                     {},
		"the first":                   {done: []*receipt.Kept{kept("a", "", "one", true)}, want: sum("a")},
		"a later one":                 {done: []*receipt.Kept{kept("b", "a", "two", true), kept("a", "", "one", true)}, want: sum("a")},
		"of this host alone":          {done: []*receipt.Kept{kept("a", "", "", true)}},
		"the mirror keeps none":       {done: []*receipt.Kept{kept("a", "", "", true)}, quiet: true, want: sum("a")},
		"of a host that is not known": {done: []*receipt.Kept{kept("c", "d", "x", false), kept("a", "", "one", true)}, want: sum("a")},
		"of others alone":             {done: []*receipt.Kept{kept("c", "d", "x", false)}, want: sum("d")},
		"what a prune left":           {done: []*receipt.Kept{pruned}},
	} {
		k := &receipt.Keeper{Mirror: &transport.Mirror{}}
		if c.quiet {
			k.Mirror = nil
		}
		if got := k.First(&receipt.History{Done: c.done}); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	r := head()
	r.First = "sha256:0"
	if _, err := r.Encode(); err == nil {
		t.Error("what is no digest was written")
	}
	r.First = sum("a")
	again, err := receipt.Decode(encoded(t, r))
	if err != nil || again.First != r.First || again.Site(sum("b")) != sum("a") || !r.SameFacts(head()) {
		t.Errorf("read again: %+v, %v", again, err)
	}
}
