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

// TestServedArrived takes in addition, of each site, what is known to have arrived there: a newer
// bundle that carries less may never have.
func TestServedArrived(t *testing.T) {
	t.Parallel()
	sealed := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	bundle := func(sequence int, a, b string, sites ...string) Bundle {
		one := Bundle{Sequence: sequence, Sealed: sealed}
		for path, file := range map[string]string{"a": a, "b": b} {
			if file != "-" {
				one.Catalogs = append(one.Catalogs, Catalog{Path: path, File: file, Tags: []string{"v1"}})
			}
		}
		for _, s := range sites {
			one.arrive(s, Arrival{How: ByReceipt})
		}
		return one
	}
	for _, c := range []struct {
		name    string
		bundles []Bundle
		want    string
	}{
		{"none arrived", []Bundle{bundle(1, "a1", "-"), bundle(2, "a2", "-")}, "2 a2"},
		{"the newest arrived", []Bundle{bundle(1, "a1", "-", "north"), bundle(2, "a2", "-", "north")}, "2 a2"},
		{"a newer one did not, which has less", []Bundle{bundle(1, "a1", "-", "north"), bundle(2, "a2", "-")}, "2 a2; 1 a1"},
		{"the same catalog", []Bundle{bundle(1, "a1", "-", "north"), bundle(2, "a2", "-"), bundle(3, "a1", "-")}, "3 a1; 2 a2"},
		{"one in between may have arrived", []Bundle{bundle(1, "a1", "-"), bundle(2, "a2", "-", "north"), bundle(3, "a3", "-"), bundle(4, "a4", "-")}, "4 a4; 3 a3; 2 a2"},
		{"it is in an older one", []Bundle{bundle(1, "-", "b1", "north"), bundle(2, "a2", "-", "north"), bundle(3, "-", "b3")}, "3 b3; 2 a2; 1 b1"},
		{"two sites", []Bundle{bundle(1, "a1", "-", "south"), bundle(2, "a2", "-", "north"), bundle(3, "a3", "-")}, "3 a3; 2 a2; 1 a1"},
		{"it is not kept", []Bundle{bundle(1, "a1", "-", "north"), bundle(2, "", "-", "north"), bundle(3, "a3", "-")}, "3 a3; 1 a1"},
	} {
		var got []string
		for _, s := range (&Ledger{Bundles: c.bundles}).Served() {
			got = append(got, fmt.Sprint(s.Sequence, " ", s.File))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %s, want %s", c.name, strings.Join(got, "; "), c.want)
		}
	}
}
