package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSwept: the checks before the first byte remove what a crash left beside the gap list, and
// where the state directory is, or will be.
func TestSwept(t *testing.T) {
	t.Parallel()
	for _, check := range []func(dir string) error{
		func(dir string) error { return checkGapsFile(filepath.Join(dir, "gaps.json")) },
		usableState,
		func(dir string) error { return usableState(filepath.Join(dir, "state", "satchel")) },
	} {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, ".satchel-tmp-77"), nil, 0o600), check(dir)); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}
