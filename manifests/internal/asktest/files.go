package asktest

import (
	"os"
	"path/filepath"
	"testing"
)

// RealFile reads a file of a real release.
func RealFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(SharedData(t, "release"), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// SharedData is a directory with files of other projects; a test without it is skipped.
func SharedData(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "../shared/data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the files of other projects are not here: %v", err)
	}
	return dir
}
