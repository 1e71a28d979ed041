package proctest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// failing keeps what a test is told to fail with.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Errorf(format string, args ...any) { f.said = fmt.Sprintf(format, args...) }

// TestWithin ends a program that hangs, with one below it that holds its output open, and says which.
func TestWithin(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	began := time.Now()
	_, err := proctest.Within(f, 50*time.Millisecond, "sh", "-c", "sleep 60; true").Output()
	if err == nil || !strings.Contains(f.said, "still ran after 50ms: sh -c sleep 60") || time.Since(began) > 30*time.Second {
		t.Errorf("%v, %q, after %v", err, f.said, time.Since(began))
	}
	f.said = ""
	if out, err := proctest.Command(f, "echo", "done").Output(); err != nil || string(out) != "done\n" || f.said != "" {
		t.Errorf("%q, %v, %q", out, err, f.said)
	}
}
