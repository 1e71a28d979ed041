package outdir

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// runs writes a set for each cluster, as one run does, and gives what it says.
func runs(t *testing.T, dir string, list ...Cluster) (said []string) {
	t.Helper()
	dirs, said, err := ForClusters(dir, list)
	if err != nil {
		return []string{err.Error()}
	}
	for i, d := range dirs {
		if err := d.Write(set("APPLY.md", "page of "+list[i].ID, "restore/README.md", "back of "+list[i].ID)); err != nil {
			t.Fatal(err)
		}
		gone, err := d.Retire()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range gone {
			at, err := filepath.Rel(dir, r.Dir)
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, "gone from "+at+", left "+strings.Join(r.Left, " "))
		}
	}
	return said
}

// TestForClusters: a directory serves one cluster and then several, or the other way round. Each
// cluster has its files in one place, what is not satchel's stays, and what stays of earlier runs is
// named.
func TestForClusters(t *testing.T) {
	t.Parallel()
	east, west := Cluster{"east", "e-1"}, Cluster{"west", "w-1"}
	later, unknown := Cluster{"east-monday", "e-1"}, Cluster{}
	for name, tc := range map[string]struct {
		runs [][]Cluster
		mine string // a file of the user's that is there after the first run
		want string // pages, and of which cluster
		said string // by the last run
	}{
		"one, then several":              {[][]Cluster{{east}, {east, west}}, "notes.txt", "east/APPLY.md e-1, west/APPLY.md w-1", "gone from ., left notes.txt"},
		"one, changed, then several":     {[][]Cluster{{east}, {east, west}}, "APPLY.md", "APPLY.md mine, east/APPLY.md e-1, west/APPLY.md w-1", "gone from ., left APPLY.md"},
		"another one, then several":      {[][]Cluster{{{"n", "n-1"}}, {east, west}}, "", "APPLY.md n-1, east/APPLY.md e-1, west/APPLY.md w-1", "they stay"},
		"a nameless one, then several":   {[][]Cluster{{unknown}, {east, west}}, "", "APPLY.md , east/APPLY.md e-1, west/APPLY.md w-1", "they stay"},
		"several, then one":              {[][]Cluster{{east, west}, {east}}, "notes.txt", "east/APPLY.md e-1, west/APPLY.md w-1", ""},
		"several, then one, renamed":     {[][]Cluster{{east, west}, {later}}, "", "east/APPLY.md e-1, west/APPLY.md w-1", ""},
		"several, then several, renamed": {[][]Cluster{{east, west}, {later, west}}, "east/secrets/now.json", "east-monday/APPLY.md e-1, west/APPLY.md w-1", "gone from east, left secrets"},
		"several, then a nameless one":   {[][]Cluster{{east, west}, {unknown}}, "", "east/APPLY.md e-1, west/APPLY.md w-1", "nothing says which one this run is for"},
		"one, then another":              {[][]Cluster{{east}, {west}}, "", "APPLY.md w-1", "of another cluster (ID e-1)"},
		"two, exchanged":                 {[][]Cluster{{east, west}, {{"east", "w-1"}, {"west", "e-1"}}}, "east/secrets/before.json", "east/APPLY.md e-1, west/APPLY.md w-1", "east is the directory of another cluster (ID e-1)"},
		"two, one named as another":      {[][]Cluster{{east, west}, {{"east", "w-1"}, {"west", "n-1"}}}, "", "east/APPLY.md e-1, west/APPLY.md w-1", "which has "},
		"two, then one named as another": {[][]Cluster{{east, west}, {{"east", "w-1"}}}, "", "east/APPLY.md e-1, west/APPLY.md w-1", ""},
		"one set up anew":                {[][]Cluster{{east, west}, {{"east", "n-1"}, west}}, "", "east/APPLY.md n-1, west/APPLY.md w-1", "of another cluster (ID e-1)"},
		"one given twice":                {[][]Cluster{{east, later}, {east, later}}, "", "east-monday/APPLY.md e-1, east/APPLY.md e-1", ""},
		"a name of two lines":            {[][]Cluster{{{"a\nb", "e-1"}, west}, {{"a\nb", "e-1"}, west}}, "", "a\nb/APPLY.md e-1, west/APPLY.md w-1", ""},
		"there and back":                 {[][]Cluster{{east}, {east, west}, {east}, {east, west}}, "", "east/APPLY.md e-1, west/APPLY.md w-1", ""},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		var said []string
		for i, list := range tc.runs {
			said = runs(t, dir, list...)
			if i > 0 || tc.mine == "" {
				continue
			}
			mine := filepath.Join(dir, tc.mine)
			if err := os.MkdirAll(filepath.Dir(mine), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(mine, []byte("page of mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all := held(t, dir)
		if _, ok := all[tc.mine]; !ok && tc.mine != "" {
			t.Errorf("%s: %s is gone", name, tc.mine)
		}
		var pages []string
		for _, file := range slices.Sorted(maps.Keys(all)) {
			if filepath.Base(file) == "APPLY.md" {
				pages = append(pages, file+" "+strings.TrimPrefix(all[file], "page of "))
			}
		}
		if got := strings.Join(pages, ", "); got != tc.want || !strings.Contains(strings.Join(said, "; "), tc.said) || tc.said == "" && len(said) > 0 {
			t.Errorf("%s: got %s; it said %q", name, got, said)
		}
	}
	theirs := t.TempDir()
	if err := os.WriteFile(filepath.Join(theirs, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := runs(t, filepath.Join(theirs, "cluster"), east); len(said) > 0 {
		t.Errorf("below: %q", said)
	}
	if said := runs(t, theirs, west); len(said) != 1 || !strings.Contains(said[0], "was not written by satchel") {
		t.Errorf("a directory of others that has an output: %q", said)
	}
}

// TestMovedHas: a file of the earlier set is known also where that set was in another directory.
func TestMovedHas(t *testing.T) {
	t.Parallel()
	dir, east := filepath.Join(t.TempDir(), "out"), Cluster{"east", "e-1"}
	runs(t, dir, east)
	dirs, _, err := ForClusters(dir, []Cluster{east, {"west", "w-1"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(dirs[0].Has("APPLY.md")) != "page of e-1" || dirs[1].Has("APPLY.md") != nil {
		t.Errorf("has %q, %q", dirs[0].Has("APPLY.md"), dirs[1].Has("APPLY.md"))
	}
}

// TestDirectoriesOfWeeks: what a user keeps side by side below OUTDIR stays, also if it is of the same
// cluster; a directory that serves several clusters is not mistaken for that.
func TestDirectoriesOfWeeks(t *testing.T) {
	t.Parallel()
	dir, east := t.TempDir(), Cluster{"east", "e-1"}
	weeks := []string{filepath.Join(dir, "week1"), filepath.Join(dir, "week2")}
	for _, week := range weeks {
		runs(t, week, east)
	}
	if said := runs(t, dir, east); len(said) != 1 || !strings.Contains(said[0], "was not written by satchel") {
		t.Errorf("the directory above: %q", said)
	}
	if said := runs(t, dir, east, Cluster{"west", "w-1"}); len(said) > 0 {
		t.Errorf("several clusters beside them: %q", said)
	}
	for _, week := range weeks {
		if held(t, week)["APPLY.md"] != "page of e-1" {
			t.Errorf("%s is not what it was", week)
		}
	}
}

// TestRetireOfOthers: what another run wrote since this one looked is not deleted.
func TestRetireOfOthers(t *testing.T) {
	t.Parallel()
	dir, east, west := filepath.Join(t.TempDir(), "out"), Cluster{"east", "e-1"}, Cluster{"west", "w-1"}
	runs(t, dir, east)
	dirs, notes, err := ForClusters(dir, []Cluster{east, west})
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "move from "+dir+" to ") {
		t.Fatalf("%q, %v", notes, err)
	}
	if err := writeOut(t, dir, set("APPLY.md", "page of another")); err != nil {
		t.Fatal(err)
	}
	if _, err := dirs[0].Retire(); err == nil || !strings.Contains(err.Error(), "another run wrote there") || held(t, dir)["APPLY.md"] != "page of another" {
		t.Errorf("retired: %v", err)
	}
}

// TestPipeBeside: a pipe in place of a set, or beside one, is not waited on.
func TestPipeBeside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "east"), 0o600); err != nil {
		t.Fatal(err)
	}
	if top, below := earlierSets(dir); top != nil || len(below) > 0 {
		t.Errorf("found %v and %v", top, below)
	}
	if earlierSet(filepath.Join(dir, "east")) != nil {
		t.Error("a pipe counts as a set")
	}
}
