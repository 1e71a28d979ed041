package main

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
)

// TestRepairReport says of no drive that it was rebuilt that was not: one of several may have ended the repair.
func TestRepairReport(t *testing.T) {
	t.Parallel()
	set := &bundle.RepairSet{Bundle: "k3v6q2mzk3v6q2mz"}
	for n := 1; n <= 2; n++ {
		set.Drives = append(set.Drives, &bundle.Repair{
			Bundle: set.Bundle, Drive: bundle.DriveLabel{Bundle: set.Bundle, Number: n, Of: 2}, Remedies: []bundle.Remedy{{File: "s-00-00001.age", From: "parity"}}, Done: n == 1,
		})
	}
	rep := reportRepair(set)
	rep.took(set)
	rep.remedies(set)
	var out strings.Builder
	if err := printRepair(&out, rep); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"rebuilt      drive 1: s-00-00001.age", "repairable   drive 2: s-00-00001.age"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, &out)
		}
	}
	if rep.Repaired {
		t.Error("all is said to be repaired")
	}
	set.Drives[1].Done = true
	if rep.took(set); !rep.Repaired {
		t.Error("all is repaired")
	}
}
