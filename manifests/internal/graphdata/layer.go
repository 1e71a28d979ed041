package graphdata

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
)

// What an update service reads (openshift/cincinnati, the plugins
// dkrv2-secondary-metadata-scrape and openshift-secondary-metadata-parse): the version, the
// YAML files of two directories, and one file of raw.
const (
	fileVersion = "version"
	dirChannels = "channels"
	dirBlocked  = "blocked-edges"
	dirRaw      = "raw"
	fileRaw     = dirRaw + "/metadata.json"
	maxVersion  = 64      // bytes
	newest      = "1.2.0" // the newest version of the data that it is known to read
)

// isTaken reports whether a name is one of these, or in one of these directories. Files
// there that the service does not read do no harm.
func isTaken(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{fileVersion, dirChannels, dirBlocked, dirRaw}, top)
}

// isRead reports whether the service itself would read a name, so that it must be there as
// it was meant.
func isRead(name string) bool {
	switch path.Dir(name) {
	case ".":
		return isTaken(name)
	case dirChannels, dirBlocked:
		ext := path.Ext(name)
		return ext == ".yaml" || ext == ".yml"
	}
	return name == fileRaw
}

// finish brings what was read into its order and finds out whether it is graph data.
func (d *Data) finish() error {
	if _, ok := d.dirs[fileVersion]; !ok {
		d.strip()
	}
	for _, o := range d.odd {
		if isRead(o.name) {
			return o.why
		}
	}
	d.list = slices.DeleteFunc(d.list, func(e entry) bool { return !isTaken(e.name) })
	if err := d.addParents(); err != nil {
		return err
	}
	slices.SortFunc(d.list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	if err := d.checkVersion(); err != nil {
		return err
	}
	if !slices.ContainsFunc(d.list, func(e entry) bool { return !e.dir && strings.HasPrefix(e.name, dirChannels+"/") }) {
		return refuse("it has no channels: there is no file in %s/", dirChannels)
	}
	return nil
}

// strip takes away the one directory that has the data, if there is one; what is beside it
// goes too.
func (d *Data) strip() {
	top := ""
	for _, e := range d.list {
		dir, name, _ := strings.Cut(e.name, "/")
		if name != fileVersion || e.dir {
			continue
		}
		if top != "" {
			return
		}
		top = dir
	}
	if top == "" {
		return
	}
	d.list = slices.DeleteFunc(d.list, func(e entry) bool { return !strings.HasPrefix(e.name, top+"/") })
	d.odd = slices.DeleteFunc(d.odd, func(o odd) bool { return !strings.HasPrefix(o.name, top+"/") })
	clear(d.dirs)
	for i := range d.list {
		e := &d.list[i]
		e.name = strings.TrimPrefix(e.name, top+"/")
		d.dirs[e.name] = e.dir
	}
	for i := range d.odd {
		d.odd[i].name = strings.TrimPrefix(d.odd[i].name, top+"/")
	}
}

// addParents adds the directories that the archive does not name.
func (d *Data) addParents() error {
	for _, e := range d.list {
		for dir := path.Dir(e.name); dir != "."; dir = path.Dir(dir) {
			is, ok := d.dirs[dir]
			if ok && !is {
				return refuse("%q is a file and a directory in it", dir)
			}
			if len(d.list) >= 2*maxEntries {
				return refuse("it has more than %d directories", maxEntries)
			}
			if !ok {
				d.dirs[dir] = true
				d.list = append(d.list, entry{name: dir, dir: true})
			}
		}
	}
	return nil
}

// checkVersion requires the version of the data's form, which update services read first.
func (d *Data) checkVersion() error {
	i := slices.IndexFunc(d.list, func(e entry) bool { return e.name == fileVersion && !e.dir })
	if i < 0 {
		return refuse("it has no file %s at the top", fileVersion)
	}
	body, err := io.ReadAll(io.NewSectionReader(d.spool, d.list[i].off, min(d.list[i].size, maxVersion)))
	if err != nil {
		return fmt.Errorf("read the graph data that was stored: %w", err)
	}
	v, err := semver.Parse(strings.TrimSpace(string(body)))
	if err != nil || d.list[i].size > maxVersion {
		return refuse("its file %s has no version in it, but %.40q", fileVersion, body)
	}
	if v.GT(semver.MustParse(newest)) {
		d.doubts = append(d.doubts, fmt.Sprintf("its version is %s; an update service that knows versions up to %s refuses it", v, newest))
	}
	return nil
}

// Doubts says what an update service would refuse the data for, in words that follow its
// name; nothing for what is right.
func (d *Data) Doubts() []string {
	list := slices.Clone(d.doubts)
	for _, name := range []string{fileRaw, dirBlocked} {
		if _, ok := d.dirs[name]; !ok {
			list = append(list, fmt.Sprintf("it has no %s, which an update service reads before it answers", name))
		}
	}
	return list
}

// Layer makes a layer that has the data below dir, sorted by name: anyone may read it,
// and what is around it. What an image has in dir is hidden.
func (d *Data) Layer(k rebuild.Store, dir string) (rebuild.Layer, error) {
	return rebuild.NewLayer(k, func(t *rebuild.Tar) error {
		if err := addDirs(t, dir); err != nil {
			return err
		}
		if err := t.Opaque(dir); err != nil {
			return err
		}
		for _, e := range d.list {
			if err := d.add(t, dir, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// addDirs adds a directory, and before it those that it is in.
func addDirs(t *rebuild.Tar, dir string) error {
	for i, c := range dir + "/" {
		if c != '/' {
			continue
		}
		if err := t.Dir(dir[:i], 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) add(t *rebuild.Tar, dir string, e entry) error {
	name := path.Join(dir, e.name)
	if e.dir {
		return t.Dir(name, 0o755)
	}
	return t.File(name, 0o644, e.size, io.NewSectionReader(d.spool, e.off, e.size))
}
