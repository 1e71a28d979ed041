package unpack

import (
	"testing"

	"github.com/satchel-airgap/satchel/transport"
)

// TestSentBlobs: what was mounted is not said to have been pushed.
func TestSentBlobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sent  transport.Sent
		again string
		want  string
	}{
		{transport.Sent{Blobs: 1, Bytes: 12}, " again", "pushed 1 blob again, 12 B"},
		{transport.Sent{Mounted: 1}, " again", "mounted 1 blob again from other repositories of the mirror"},
		{transport.Sent{Blobs: 2, Bytes: 12, Mounted: 3}, "", "pushed 2 blobs, 12 B; mounted 3 blobs from other repositories of the mirror"},
	} {
		if got := sentBlobs(c.sent, c.again); got != c.want {
			t.Errorf("%+v: %q", c.sent, got)
		}
	}
}
