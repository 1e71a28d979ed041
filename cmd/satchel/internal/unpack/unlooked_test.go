package unpack_test

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/transport"
)

// TestBlobsNotLookedAt: where only manifests are asked for, no more than them is said to be there.
func TestBlobsNotLookedAt(t *testing.T) {
	t.Parallel()
	s := newSite(t, 41)
	o := s.options(t, "")
	run := func(v transport.Verify) string {
		before := len(s.Log.String())
		o.Verify = v
		if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
		return s.Log.String()[before:]
	}
	const unlooked = "blobs were not looked at (--verify none)"
	if log := run(transport.VerifySizes); strings.Contains(log, unlooked) {
		t.Errorf("told, though they were:\n%s", log)
	}
	if log := run(transport.VerifyManifests); !strings.Contains(log, "all manifests are in the mirror, of ") || !strings.Contains(log, unlooked) {
		t.Errorf("told:\n%s", log)
	}
	o.DryRun = true
	if log := run(transport.VerifyManifests); !strings.Contains(log, unlooked) {
		t.Errorf("told in a dry run:\n%s", log)
	}
}
