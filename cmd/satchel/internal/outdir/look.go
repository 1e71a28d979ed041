package outdir

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// Look says which files of the set in a directory are gone, and which are not as they were written, sorted.
// The directory may lack the list of the set, such as a copy that leaves hidden files out: nothing is known then.
func Look(dir string) (gone, changed []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }() // it is read only
	o := &Dir{dir: dir, old: map[string][]string{}}
	if _, err := root.Lstat(outList); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err := o.readList(root); err != nil {
		return nil, nil, err
	}
	for name, sums := range o.old {
		switch body, err := readRegular(root, name); {
		case errors.Is(err, fs.ErrNotExist):
			gone = append(gone, name)
		case err != nil || !slices.Contains(sums, hexSum(body)):
			changed = append(changed, name)
		}
	}
	slices.Sort(gone)
	slices.Sort(changed)
	return gone, changed, nil
}
