package media

import (
	"path"
	"slices"
)

// Translate lets the directory, and the one below it that is called sub, be read under the
// names that their files had: canonical gives that of a name, "" where it is as it was.
// Where a file has its own name, and where two would get the same, nothing is translated.
// Nothing may be written through d then.
func (d *Dir) Translate(sub string, canonical func(string) string) error {
	d.actual, d.canonical = map[string]string{}, map[string]string{}
	if err := d.translate(".", canonical); err != nil {
		return err
	}
	return d.translate(sub, canonical)
}

func (d *Dir) translate(sub string, canonical func(string) string) error {
	files, others, err := d.List(sub)
	if err != nil {
		return err
	}
	names := others
	for _, f := range files {
		names = append(names, f.Name)
	}
	meant := map[string][]string{} // names by what they were
	for _, name := range names {
		if c := canonical(name); c != "" {
			meant[c] = append(meant[c], name)
		}
	}
	for c, list := range meant {
		if len(list) == 1 && list[0] != c && !slices.Contains(names, c) {
			actual := path.Join(d.at(sub), list[0])
			d.actual[path.Join(sub, c)], d.canonical[actual] = actual, path.Join(sub, c)
		} else if d.at(sub) != sub && len(list) == 1 { // under its own name in a directory that has another
			d.actual[path.Join(sub, c)] = path.Join(d.at(sub), c)
		}
	}
	return nil
}

// Translated reports whether files are read under other names than they have.
func (d *Dir) Translated() bool { return len(d.actual) > 0 }

// at is the name that a file really has.
func (d *Dir) at(name string) string {
	if actual, ok := d.actual[name]; ok {
		return actual
	}
	return name
}

// called is the name under which an entry of a subdirectory is read.
func (d *Dir) called(sub, name string) string {
	if c, ok := d.canonical[path.Join(d.at(sub), name)]; ok {
		return path.Base(c)
	}
	return name
}
