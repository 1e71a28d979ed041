package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// TestDamageComesFirst has the exit code tell what is wrong with the bundle, not
// what broke because of it.
func TestDamageComesFirst(t *testing.T) {
	err := &bundle.DamageError{Dir: "d", Faults: []bundle.Fault{{File: "its content", What: "is wrong"}}, Err: &oci.UnsupportedError{What: "m", Why: "w"}}
	if code := exitCode(err); code != exitDamaged {
		t.Errorf("exit %d for %v", code, err)
	}
}

// TestInterruptionHidesNothing tells an interruption from what failed beside it.
func TestInterruptionHidesNothing(t *testing.T) {
	stopped := fmt.Errorf("pull x: %w", context.Canceled)
	full := &bundle.DriveError{Op: "write", Path: "p", Err: syscall.ENOSPC}
	for _, c := range []struct {
		err  error
		only bool
	}{
		{stopped, true},
		{errors.Join(stopped, context.Canceled), true},
		{fmt.Errorf("image y: %w", errors.Join(stopped, nil)), true},
		{errors.Join(stopped, full), false},
		{fmt.Errorf("image y: %w", errors.Join(stopped, full)), false},
		{full, false},
	} {
		if got := onlyCancelled(c.err); got != c.only {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// TestDropTwice takes an image out that was noted as a gap before.
func TestDropTwice(t *testing.T) {
	ref, err := oci.ParseRef("quay.io/x/app:sha256-aa.sig")
	if err != nil {
		t.Fatal(err)
	}
	img := oci.Image{Source: ref}
	p := &preparing{app: &app{stdout: io.Discard, stderr: io.Discard}, inv: &oci.Inventory{Images: []oci.Image{img}}}
	p.gaps.Images = []gapImage{{Source: ref}}
	p.drop(&oci.GapError{Image: img, Err: errors.New("gone")})
	if len(p.inv.Images) != 0 || len(p.gaps.Images) != 1 {
		t.Errorf("inventory %v, gaps %v", p.inv.Images, p.gaps.Images)
	}
}
