package outdir

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Cluster says which cluster a set is for.
type Cluster struct {
	Name string // of its directory, where several have one; "" where it is not known
	ID   string // its own; "" where it is not known
}

// ForClusters opens a directory for each of some clusters: dir itself for one, dir/NAME for each
// of several. It writes nothing. A directory that has sets of several clusters goes on so when only
// one of them is given. Where an earlier set of a cluster is in another of these places,
// [Dir.Retire] takes it away once the new one is there. notes say that, and what of earlier runs
// stays, a line each. The error is a *[RefusedError] where nothing can be written.
func ForClusters(dir string, list []Cluster) (dirs []*Dir, notes []string, err error) {
	top, below := earlierSets(dir)
	several := len(list) > 1 || isOf(below, list[0].ID) || top == nil && len(below) > 0
	if several && len(list) == 1 && list[0].Name == "" {
		return nil, nil, refuse(fmt.Errorf("%s has a directory for each of several clusters (%s), and nothing says which one this run is for", dir, strings.Join(slices.Sorted(maps.Keys(below)), ", ")), "say what the cluster is (--from-cluster), or name another directory for the output")
	}
	for _, c := range list {
		at, name := dir, ""
		if several {
			name = nameOf(c, len(list) == 1, below)
			at = filepath.Join(dir, name)
		}
		one, err := Open(at)
		if err != nil {
			return nil, nil, err
		}
		if one.id, one.one = c.ID, name; one.had != "" && one.id != "" && one.had != one.id {
			if isOf(below, c.ID) || slices.ContainsFunc(list, func(other Cluster) bool { return one.had == other.ID }) {
				return nil, nil, exchanged(one, c, below)
			}
			notes = append(notes, fmt.Sprintf("the files in %s are of another cluster (ID %s), and this run replaces them: to keep both, name another directory", at, one.had))
		}
		dirs = append(dirs, one)
	}
	for i, one := range dirs {
		if one.moved = elsewhere(one, dirs, below); several && top != nil && top.isOf(one.id) {
			one.moved, top = append(one.moved, top), nil
		}
		for _, old := range one.moved {
			notes = append(notes, fmt.Sprintf("the files of cluster %s move from %s to %s: those that satchel wrote there are deleted once the new ones are written", list[i].Name, old.dir, one.dir))
		}
	}
	if several && top != nil {
		notes = append(notes, fmt.Sprintf("%s has files of an earlier run for one cluster, and nothing says that it is one of these: they stay, and APPLY.md there may be out of date; delete what is not needed any more", dir))
	}
	return dirs, notes, nil
}

// elsewhere lists the earlier sets of a cluster in directories that no cluster of this run has.
func elsewhere(o *Dir, dirs []*Dir, below map[string]*Dir) (list []*Dir) {
	for _, name := range slices.Sorted(maps.Keys(below)) {
		old := below[name]
		if old.isOf(o.id) && !slices.ContainsFunc(dirs, func(d *Dir) bool { return d.dir == old.dir }) {
			list = append(list, old)
		}
	}
	return list
}

// exchanged refuses the directory of one cluster for another one, where both have directories here:
// copies that commands of a page made, such as a pull secret, would be taken for those of the other.
func exchanged(at *Dir, c Cluster, below map[string]*Dir) error {
	has := "has none yet"
	for _, name := range slices.Sorted(maps.Keys(below)) {
		if below[name].isOf(c.ID) {
			has = "has " + below[name].dir
		}
	}
	return refuse(fmt.Errorf("%s is the directory of another cluster (ID %s), and what is called %s now is the cluster with ID %s, which %s: nothing was written", at.dir, at.had, c.Name, c.ID, has), "give what --from-cluster names the names that these clusters had before, or name another directory for the output")
}

// nameOf is the name of the directory of one of several clusters. One that is given alone keeps the
// directory that it has, whatever its file is called now.
func nameOf(c Cluster, alone bool, below map[string]*Dir) string {
	if alone && (below[c.Name] == nil || !below[c.Name].isOf(c.ID)) {
		for _, name := range slices.Sorted(maps.Keys(below)) {
			if below[name].isOf(c.ID) {
				return name
			}
		}
	}
	return c.Name
}

// isOf reports whether an earlier set is known to be for a cluster.
func (o *Dir) isOf(id string) bool { return id != "" && o.had == id }

func isOf(sets map[string]*Dir, id string) bool {
	for _, o := range sets {
		if o.isOf(id) {
			return true
		}
	}
	return false
}

// earlierSets finds the sets that earlier runs have written: in a directory itself, nil for none, and
// in those right below it that were made for one of several clusters. What a user keeps there beside
// one another, such as a directory of each week, is none of them.
func earlierSets(dir string) (top *Dir, below map[string]*Dir) {
	below = map[string]*Dir{}
	entries, _ := os.ReadDir(dir) // what is wrong with it shows when it is opened
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if one := earlierSet(filepath.Join(dir, e.Name())); one != nil && one.wasOne == e.Name() {
			below[e.Name()] = one
		}
	}
	return earlierSet(dir), below
}

// earlierSet reads the list of a directory; nil where there is none, or another one than satchel writes.
func earlierSet(dir string) *Dir {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() { // a pipe is not waited on
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }() // nothing was written
	o := &Dir{dir: dir, old: map[string][]string{}}
	if o.readList(root) != nil {
		return nil
	}
	return o
}

// Retired says what became of an earlier set in another directory.
type Retired struct {
	Dir  string
	Gone int      // files that were deleted
	Left []string // what is still there: files that were changed by hand, and what is not of the set
}

// Retire deletes earlier sets of the cluster in other directories: files as satchel wrote them,
// and directories that are empty then. The new set must have been written.
func (o *Dir) Retire() (list []Retired, err error) {
	var errs []error
	for _, old := range o.moved {
		one, err := old.retire()
		list = append(list, one)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return list, &WriteError{err}
	}
	return list, nil
}

// retire deletes a set; the list goes last, so that a run that was stopped can be repeated.
func (o *Dir) retire() (r Retired, err error) {
	r.Dir = o.dir
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if now := earlierSet(o.dir); now == nil || now.had != o.had || !maps.EqualFunc(now.old, o.old, slices.Equal) {
		return r, fmt.Errorf("%s: another run wrote there meanwhile, so nothing was deleted", o.dir)
	}
	if err := sweep(root); err != nil {
		return r, err
	}
	for _, name := range slices.Sorted(maps.Keys(o.old)) {
		body, err := readRegular(root, name)
		if err != nil || !slices.Contains(o.old[name], hexSum(body)) {
			continue // gone, or it was changed by hand
		}
		if err := root.Remove(filepath.FromSlash(name)); err != nil {
			return r, err
		}
		r.Gone++
		removeEmpty(root, name)
	}
	if err := root.Remove(outList); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		if !e.IsDir() || earlierSet(filepath.Join(o.dir, e.Name())) == nil {
			r.Left = append(r.Left, e.Name())
		}
	}
	if len(entries) == 0 {
		_ = os.Remove(o.dir) // only an empty one goes
	}
	return r, err
}

// removeEmpty removes the directories that a file was in, if nothing is left in them.
func removeEmpty(root *os.Root, name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		_ = root.Remove(filepath.FromSlash(dir))
	}
}
