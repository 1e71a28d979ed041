package outdir

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// State is what became of a set since it was written. Lists are sorted.
type State struct {
	Gone    []string
	Changed []string
	Cut     bool // the page of steps, which is among Changed, lacks its end
}

// Look says what became of the set in a directory. The directory may lack the list of the set, such as a copy
// that leaves hidden files out: nothing is known then.
func Look(dir string) (s State, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, err
	}
	defer func() { _ = root.Close() }() // it is read only
	o := &Dir{dir: dir, old: map[string][]string{}}
	if _, err := root.Lstat(outList); errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err := o.readList(root); err != nil {
		return s, err
	}
	for name, sums := range o.old {
		switch body, err := readRegular(root, name); {
		case errors.Is(err, fs.ErrNotExist):
			s.Gone = append(s.Gone, name)
		case err != nil || !slices.Contains(sums, hexSum(body)):
			s.Changed = append(s.Changed, name)
			s.Cut = s.Cut || name == page && err == nil && o.isCut(body)
		}
	}
	slices.Sort(s.Gone)
	slices.Sort(s.Changed)
	return s, nil
}

// isCut reports whether a page lacks the end that it was written with. Notes in it, other ends of lines and
// other line breaks do not count.
func (o *Dir) isCut(body []byte) bool {
	words := oneLine(string(body))
	return words == "" || !strings.Contains(words, o.end)
}

// endOf is the last line of a page that stands in it once alone, in the form of oneLine; "" for none.
func endOf(body []byte) string {
	words, lines := oneLine(string(body)), strings.Split(string(body), "\n")
	for _, line := range slices.Backward(lines) {
		if line = oneLine(line); line != "" && strings.Count(words, line) == 1 {
			return line
		}
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
