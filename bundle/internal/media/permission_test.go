package media

import (
	"io/fs"
	"strings"
	"testing"
)

// TestPermissionHint: who may not read is not told to get the right to write.
func TestPermissionHint(t *testing.T) {
	t.Parallel()
	for op, want := range map[string]string{"look into": "read", "list": "read", "read": "read", "write": "write", "create": "write"} {
		if hint := (&Error{op, "/d", fs.ErrPermission}).Hint(); !strings.Contains(hint, "right to "+want) {
			t.Errorf("%s: %s", op, hint)
		}
	}
}
