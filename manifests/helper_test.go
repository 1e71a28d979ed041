package manifests

import (
	"testing"
)

// fileOf is the file of that name.
func fileOf(t *testing.T, files []File, name string) File {
	t.Helper()
	for _, f := range files {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("%s was not written", name)
	return File{}
}
