package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
)

// TestVerifyHintsRepair names repair where it can do something, or may.
func TestVerifyHintsRepair(t *testing.T) {
	t.Parallel()
	damage := &bundle.DamageError{Dir: "d", Faults: []bundle.Fault{{File: "s-00-00001.age", What: "is missing"}}}
	for name, c := range map[string]struct {
		e    listedError
		want bool
	}{
		"repairable": {listedError{damage, []string{"d"}, []bundle.Remedy{{File: "s-00-00001.age", From: "parity"}}, false}, true},
		"lost":       {listedError{&stillLostError{damage, []string{"d"}, false}, []string{"d"}, []bundle.Remedy{{File: "s-00-00001.age", Lost: "no parity"}}, false}, false},
		"no seal":    {listedError{damage, []string{"d"}, nil, true}, true},
		"open":       {listedError{damage, []string{"d"}, []bundle.Remedy{{File: "s-00-00001.age", Away: []bundle.DriveLabel{{Bundle: "xxxxxxxxxxxx", Number: 2, Of: 2}}}}, false}, true},
	} {
		if got := strings.Contains(strings.Join(hints(&c.e), " "), "satchel repair"); got != c.want {
			t.Errorf("%s: %q", name, hints(&c.e))
		}
	}
}

// TestLightFaultBesideOthers: that a bundle can be unpacked as it is is said only where all of it can.
func TestLightFaultBesideOthers(t *testing.T) {
	t.Parallel()
	light := &bundle.DamageError{Dir: "a", Whole: true, Faults: []bundle.Fault{{File: "README.txt", What: "is missing"}}}
	heavy := &bundle.DamageError{Dir: "b", Faults: []bundle.Fault{{File: "s-00-00001.age", What: "is missing"}}}
	for _, c := range []struct {
		err  error
		want bool
	}{{light, true}, {errors.Join(light, heavy), false}} {
		listed := &listedError{err: c.err, remedies: []bundle.Remedy{{File: "README.txt", From: "the seals"}}}
		if got := strings.Contains(strings.Join(hints(listed), " "), "can be unpacked as it is"); got != c.want {
			t.Errorf("%v: hints %q", c.err, hints(listed))
		}
	}
}

// TestUnversioned: a file that was made anew and is not byte for byte what it was is not called so.
func TestUnversioned(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]bool{"its second copy": true, bundle.FromNames: false} {
		var b strings.Builder
		if err := printRepair(&b, &repairReport{Repaired: true, Whole: true, Remedies: []remedyReport{{File: "extras.json", From: from}}}); err != nil || strings.Contains(b.String(), "every byte is") != want {
			t.Errorf("%s: %v, %s", from, err, b.String())
		}
	}
}
