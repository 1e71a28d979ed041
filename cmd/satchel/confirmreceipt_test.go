package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
)

// TestArrival takes only receipts that unpack wrote at its end as proof that a bundle arrived.
func TestArrival(t *testing.T) {
	t.Parallel()
	finger := "c4e804d5160d306e"
	for want, list := range map[int][]*receipt.Receipt{
		exitOK: {{State: receipt.Done, Bundle: "a", Fingerprint: finger}},
		exitUsage: {
			{State: receipt.Intent, Bundle: "a", Fingerprint: finger},
			{State: receipt.Done, From: receipt.Rebuilt, Bundle: "a", Fingerprint: finger},
			{State: receipt.Done, From: receipt.Adopted, Bundle: "a", Fingerprint: finger},
			{State: receipt.Done, Bundle: "a"},
		},
	} {
		for _, r := range list {
			var wrong *usageError
			if err := arrival("receipt.json", r); errors.As(err, &wrong) != (want == exitUsage) || err == nil != (want == exitOK) {
				t.Errorf("%+v: %v", r, err)
			}
		}
	}
}

// TestIsFile tells a receipt from what stands on a slip.
func TestIsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "came-back"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]bool{
		"c4e804d5160d306e": false, "c4e804d5": false, "C4E804D5 160d306e": false, "c4:e8:04:d5:16:0d:30:6e": false,
		"receipt.json": true, "./c4e804d5": true, filepath.Join(dir, "came-back"): true, "came-back": false,
	} {
		if got := isFile(arg); got != want {
			t.Errorf("%s: %v", arg, got)
		}
	}
}
