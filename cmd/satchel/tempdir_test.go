package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWarnOfTemp says before the work that TMPDIR is not there, and leaves nothing in one that is.
func TestWarnOfTemp(t *testing.T) {
	dir := t.TempDir()
	for tmp, warns := range map[string]bool{dir: false, filepath.Join(dir, "absent"): true} {
		t.Setenv("TMPDIR", tmp)
		var out lockedBuffer
		newApp(t, &out, logFlags{}, false).warnOfTemp()
		if got := out.String(); strings.Contains(got, "set TMPDIR") != warns || warns && !strings.Contains(got, tmp) {
			t.Errorf("%s: %q", tmp, got)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
