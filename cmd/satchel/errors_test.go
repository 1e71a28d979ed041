package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
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
	p.gaps.Images = []gapImage{{Image: oci.Image{Source: ref}}}
	p.drop(&oci.Gap{Image: img, Err: errors.New("gone")})
	if len(p.inv.Images) != 0 || len(p.gaps.Images) != 1 {
		t.Errorf("inventory %v, gaps %v", p.inv.Images, p.gaps.Images)
	}
}

// TestLongReasons notes a gap whose reason is longer than a bundle may carry.
func TestLongReasons(t *testing.T) {
	ref := oci.Ref{Registry: "q.example", Repository: "a", Tag: "v1"}
	p := &preparing{app: newApp(t, io.Discard, logFlags{level: "info", format: "text"}, true), keepGoing: true, inv: &oci.Inventory{Images: []oci.Image{{Source: ref}, {Source: ref.WithTag("v2")}}}}
	p.drop(&oci.Gap{Image: oci.Image{Origin: manifests.OriginAdditional, Source: ref}, Err: errors.New(strings.Repeat("x", 1<<20))})
	if err := (&oci.Inventory{Gaps: p.gaps.Images}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestListedChart has a chart of a registry that could not be had: --only brings its
// images too, and those of no other chart.
func TestListedChart(t *testing.T) {
	gap := gapImage{Image: oci.Image{Origin: manifests.OriginChart, Source: oci.Ref{Registry: "q.example", Repository: "charts/db", Tag: "0.1.0"}, Reasons: []oci.Reason{{Kind: manifests.KindChart, Name: "db 0.1.0"}}}}
	p := &preparing{cfg: &manifests.Config{}, only: &gapList{Images: []gapImage{gap}}}
	chart := func(name, part string) oci.Reason {
		return oci.Reason{Kind: manifests.KindChart, Name: name, Part: part}
	}
	for why, want := range map[oci.Reason]bool{chart("db 0.1.0", ""): true, chart("db 0.1.0", "Pod/db db"): true, chart("web 0.1.0", "Pod/w w"): false, chart("db 0.1.01", "Pod/db db"): false} {
		img := oci.Image{Origin: manifests.OriginChart, Source: oci.Ref{Registry: "q.example", Repository: "x", Tag: "1"}, Reasons: []oci.Reason{why}}
		if got := p.listed(&oci.Inventory{}, img); got != want {
			t.Errorf("%s: %v", why, got)
		}
	}
}
