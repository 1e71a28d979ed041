package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestServed takes of each tag the newest catalog of a finished bundle, as far as it is kept.
func TestServed(t *testing.T) {
	t.Parallel()
	catalog := func(path, file string, tags ...string) Catalog { return Catalog{Path: path, File: file, Tags: tags} }
	sealed := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	l := &Ledger{Bundles: []Bundle{
		{Sequence: 1, Sealed: sealed, Catalogs: []Catalog{catalog("a", "a1", "v1"), catalog("b", "b1", "v1"), catalog("c", "c1", "v1", "v2")}},
		{Sequence: 2, Sealed: sealed, Catalogs: []Catalog{catalog("a", "a2", "v1"), catalog("b", "", "v1"), catalog("c", "c2", "v2")}},
		{Sequence: 3, Catalogs: []Catalog{catalog("a", "a3", "v1")}},
	}}
	var got []string
	for _, c := range l.Served() {
		got = append(got, fmt.Sprint(c.Sequence, " ", c.File, " ", c.Tags))
	}
	if want := "2 a2 [v1]; 2 c2 [v2]; 1 c1 [v1]"; strings.Join(got, "; ") != want {
		t.Errorf("%s, want %s", strings.Join(got, "; "), want)
	}
}
