package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
)

// TestChangesTable: a terminal gets some of many tags and says how many more there are; who
// wants all, or reads stdout by a program, gets all.
func TestChangesTable(t *testing.T) {
	t.Parallel()
	c := &changes.Changes{Bundle: changes.Side{Kind: changes.Bundle, Name: "abc", Stream: "site", Sequence: 7}, Against: changes.Side{Kind: changes.Mirror, Name: "mirror.example/ocp"},
		Stays: 3, Push: &changes.Push{Blobs: 2, Bytes: 2048, Named: 1},
		Releases: []changes.Release{{Name: "4.18.12-x86_64", State: changes.ReleaseNew}, {Name: "4.18.11-x86_64", State: changes.ReleaseKept}},
		Catalogs: []catalogs.Catalog{{Catalog: "r.example/index:v1", Name: "mirror.example/ocp/index:v1", After: "sha256:1"}, {Name: "mirror.example/ocp/odd:v1", Unknown: "a receipt does not say what is in a catalog"}}}
	for i := range 30 {
		state := changes.Moves
		if i%10 == 0 {
			state = changes.Stays
		}
		c.Tags = append(c.Tags, changes.Tag{Tag: fmt.Sprintf("mirror.example/ocp/team/app:v%02d", i), State: state, Why: "a reason",
			Old: changes.Manifest{Digest: digest.FromString("old")}, New: changes.Manifest{Digest: digest.FromString("new")}})
	}
	c.New = append(c.New, changes.Image{Source: "quay.io/team/app:v00", Repo: "ocp/team/app", Tags: []string{"v00"}, Digest: digest.FromString("new")})
	for _, v := range []view{{}, {columns: 200}, {columns: 80}} {
		var out bytes.Buffer
		if err := printChanges(&out, c, v); err != nil {
			t.Fatal(err)
		}
		rows := strings.Count(out.String(), "mirror.example/ocp/team/app:v")
		short := v.columns > 0
		if want := map[bool]int{false: 30, true: 20}[short]; rows != want || short != strings.Contains(out.String(), "and 10 more (--wide lists all)") {
			t.Errorf("%+v: %d rows\n%s", v, rows, out.String())
		}
		if words := strings.Join(strings.Fields(out.String()), " "); v.columns == 80 && !strings.Contains(words, "stays mirror.example/ocp/team/app:v00: now "+v.short(digest.FromString("old").String())+", in the bundle "+v.short(digest.FromString("new").String())+"; a reason") {
			t.Errorf("%+v: cut\n%s", v, out.String())
		}
		for _, want := range []string{"bundle       abc, number 7 of the stream site\n", "against      mirror mirror.example/ocp\n", "new          1 image; 2 blobs to push, 2.0 KiB\n", "there        3 images of this bundle\n",
			"tags         27 move, 3 stay\n", "releases     new: 4.18.12-x86_64\n", "releases     there: 4.18.11-x86_64\n", "catalog mirror.example/ocp/index:v1: new in the mirror\n", "odd:v1 is not known", "1 image in the mirror would get a tag that never moves\n", "ocp/team/app:v00"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%+v: no %q in\n%s", v, want, out.String())
			}
		}
	}
}
