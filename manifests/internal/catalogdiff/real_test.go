package catalogdiff

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const realData = "../../../../shared/data/fbc"

// TestRealCatalogs compares public catalogs of two OpenShift versions, and holds what is
// counted against what operator-registry reads from the same files.
func TestRealCatalogs(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(realData); err != nil {
		t.Skipf("the catalogs of other projects are not here: %v", err)
	}
	names := []string{"community-v4.16", "community-v4.18"}
	var list []*Index
	var sets []map[string]bool
	for _, name := range names {
		list = append(list, realIndex(t, filepath.Join(realData, name)))
		sets = append(sets, realSet(t, filepath.Join(realData, name)))
	}
	if c := compare(t, list[0], list[0]); !c.Same() || c.Shrinks() {
		t.Errorf("a catalog and itself: %q", slices.Concat(c.Going(), c.Coming(), c.Other()))
	}
	c := compare(t, list[0], list[1])
	go1, come := only(sets[0], sets[1]), only(sets[1], sets[0])
	if c.Go != go1 || c.Come != come || !c.Shrinks() {
		t.Errorf("go %v, want %v; come %v, want %v", c.Go, go1, c.Come, come)
	}
}

func realIndex(t *testing.T, dir string) *Index {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		files[filepath.ToSlash(name)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := ocitest.New(1)
	d, err := c.Catalog("amd64", files)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Read(t.Context(), dir, c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

// realSet names packages, channels and versions, as "p", "p/c" and "p//v/c".
func realSet(t *testing.T, dir string) map[string]bool {
	t.Helper()
	cfg, err := declcfg.LoadFS(t.Context(), os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, p := range cfg.Packages {
		set[p.Name] = true
	}
	for _, ch := range cfg.Channels {
		set[ch.Package+"/"+ch.Name] = true
		for _, e := range ch.Entries {
			set[ch.Package+"//"+e.Name+"/"+ch.Name] = true
		}
	}
	return set
}

// only counts what a has and b does not; a version that two channels lose counts once.
func only(a, b map[string]bool) (n Counts) {
	versions := map[string]bool{}
	for name := range a {
		if b[name] {
			continue
		}
		switch parts := strings.Split(name, "/"); len(parts) {
		case 1:
			n.Packages++
		case 2:
			n.Channels++
		default:
			versions[parts[0]+"/"+parts[2]] = true
		}
	}
	n.Versions = len(versions)
	return n
}
