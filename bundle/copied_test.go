package bundle

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestCopyErrorSaysWhatIsWhole has one wording for what a reader and a verification find.
func TestCopyErrorSaysWhatIsWhole(t *testing.T) {
	t.Parallel()
	const whole = "what it carries is whole"
	for file, want := range map[string]bool{"": true, seal.ReadmeName: true, seal.CopyDir + "/key-1.age": true, "s-00-00001.age": false} {
		e := &CopyError{Dir: "d", Files: []string{seal.BundleName}}
		if file != "" {
			e.Faults = []Fault{{file, "is missing"}}
		}
		if msg := e.Error(); strings.Contains(msg, whole) != want || !strings.Contains(msg, file) {
			t.Errorf("%q: %s", file, msg)
		}
	}
}
