package main

import (
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
		"repairable": {listedError{damage, []bundle.Remedy{{File: "s-00-00001.age", From: "parity"}}, false}, true},
		"lost":       {listedError{damage, []bundle.Remedy{{File: "s-00-00001.age", Lost: "no parity"}}, false}, false},
		"no seal":    {listedError{damage, nil, true}, true},
	} {
		if got := strings.Contains(strings.Join(hints(&c.e), " "), "satchel repair"); got != c.want {
			t.Errorf("%s: %q", name, hints(&c.e))
		}
	}
}
