package journal

import (
	"os"
	"path/filepath"
)

// Sweep removes the journal at path, with its directory, if a run ended before it said
// where its bundle is. What cannot be removed is in nobody's way.
func Sweep(path string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) && e.Name() != filepath.Base(path)+tempSuffix {
			return // something else was kept there: it did begin
		}
	}
	for _, name := range []string{path, path + tempSuffix} {
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		if st, err := Peek(name); err == nil && st.Session.Dir != "" {
			return // without a lock, which would stand in the way of others
		}
		j, err := open(name, 0)
		if err != nil {
			return // another run has it
		}
		state, _, err := replay(j.f)
		begun := err != nil && name == path || err == nil && state.Session.Dir != ""
		if !begun {
			_ = os.Remove(name)
		}
		_ = j.Close()
		if begun {
			return
		}
	}
	_ = os.Remove(filepath.Dir(path)) // stays if something is in it
}
