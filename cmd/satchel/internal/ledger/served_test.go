package ledger

import (
	"errors"
	"fmt"
	"io/fs"
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
	l.Bundles[0].Catalogs = append(l.Bundles[0].Catalogs, catalog("d", "", "v1", "v2"), catalog("e", "e1", "v1", "v2"))
	l.Bundles[1].Catalogs = append(l.Bundles[1].Catalogs, catalog("d", "", "v2"), catalog("e", "", "v2"))
	var got []string
	for _, c := range l.Served() {
		got = append(got, fmt.Sprint(c.Sequence, " ", c.Path, " ", c.File, " ", c.Tags, " ", c.Newer))
		f, err := Store{}.OpenCatalog(c.Catalog)
		if err == nil {
			_ = f.Close()
		}
		var gone *GoneError
		if errors.As(err, &gone) != (c.File == "") || gone != nil && (!errors.Is(err, fs.ErrNotExist) || gone.Hint() == "" || !gone.Permanent()) {
			t.Errorf("%s is opened: %v", c.Path, err)
		}
	}
	if want := "2 a a2 [v1] 0; 2 c c2 [v2] 0; 1 b b1 [v1] 2; 1 c c1 [v1] 0; 1 e e1 [v1] 0; 1 e e1 [v2] 2; 2 d  [v2] 0; 1 d  [v1] 0"; strings.Join(got, "; ") != want {
		t.Errorf("%s, want %s", strings.Join(got, "; "), want)
	}
}
