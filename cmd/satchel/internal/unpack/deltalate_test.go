package unpack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// rootOf is the image of a repository in a bundle.
func rootOf(r *bundle.Reader, repo string) oci.Descriptor {
	images := r.Inventory().Images
	return images[slices.IndexFunc(images, func(i oci.Image) bool { return i.Source.Repository == repo })].Root
}

// serves wants the mirror to have all images of a bundle by digest, and those whose tags it has
// set last by tag.
func (d *deltas) serves(mirror *registrytest.Proxy, r *bundle.Reader, byTag bool) {
	d.t.Helper()
	for _, img := range r.Inventory().Images {
		tag := oci.DigestTag(img.Root.Digest)
		if byTag {
			tag = img.Tags[0]
		}
		if err := ocitest.Compare(d.t.Context(), d.Content, img.Root, "http://"+mirror.Host, "in/"+img.Source.Repository, tag); err != nil {
			d.t.Errorf("%s: %v", img.Source, err)
		}
	}
}

// TestDeltaLate: a bundle that was lost costs bytes alone, and does no harm when it comes late,
// or twice: what it has is there by digest, and the tags of the later one stay.
func TestDeltaLate(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 84)
	mirror := newMirror(t)
	o := d.options(mirror)
	o.State = t.TempDir()
	run := func(r *bundle.Reader) string {
		t.Helper()
		before := len(d.Log.String())
		if err := unpack.Run(t.Context(), r, jobtest.Client(), o); err != nil {
			t.Fatalf("%v\n%s", err, d.Log)
		}
		return d.Log.String()[before:]
	}
	first := d.pack("first")
	run(first)
	d.arrived(first)
	d.push("team/app")
	lost := d.pack("lost")
	third := d.push("team/other")
	next := d.pack("next") // what was lost travels again
	if app := rootOf(next, "team/app"); !next.Has(app) || !lost.Has(app) {
		t.Errorf("%s: what did not arrive is left out", third)
	}
	d.push("team/app")
	fourth := d.pack("fourth")
	run(next)
	d.arrived(next)
	run(fourth)
	d.serves(mirror, fourth, true)

	found, err := unpack.Changes(t.Context(), lost, jobtest.Client(), o)
	if err != nil || len(found.Tags) != 2 || len(found.New) != 0 { // its own app came with the next one
		t.Errorf("what the late one changes: %+v, %v", found, err)
	}
	for _, tag := range found.Tags {
		if tag.State != changes.Stays {
			t.Errorf("%+v", tag)
		}
	}
	for range 2 {
		if said := run(lost); !strings.Contains(said, "stays at") || strings.Contains(said, "moves from") {
			t.Errorf("late:\n%s", said)
		}
		d.serves(mirror, fourth, true)
		d.serves(mirror, lost, false)
	}
	d.arrived(lost) // the newest one that arrived is still the third
	if last := d.pack("fifth"); len(last.Baseline().Sources()) != 2 || slices.ContainsFunc(last.Baseline().Sources(), func(s bundle.BaselineSource) bool { return s.Bundle == lost.ID() }) {
		t.Errorf("the fifth is from %+v", last.Baseline().Sources())
	}
}

// TestDeltaChanges: what a bundle would change in the mirror is found also where it leaves most
// out; where the mirror lacks that, it is said which bundle brings it, and nothing is written.
func TestDeltaChanges(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 85)
	mirror := newMirror(t)
	o := d.options(mirror)
	first := d.pack("first")
	d.arrived(first)
	d.push("team/app")
	second := d.pack("second")
	var lacks *unpack.BaselineError
	if _, err := unpack.Changes(t.Context(), second, jobtest.Client(), o); !errors.As(err, &lacks) || lacks.Lacking[0].From.Bundle != first.ID() {
		t.Errorf("an empty mirror: %v", err)
	}
	if err := unpack.Run(t.Context(), first, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	for _, after := range []bool{false, true} {
		mirror.Reset()
		old, now := rootOf(first, "team/app"), rootOf(second, "team/app")
		got, err := unpack.Changes(t.Context(), second, jobtest.Client(), o)
		if err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprintf("%d new, %d stay, %d tags", len(got.New), got.Stays, len(got.Tags))
		switch {
		case mirror.Count("POST upload")+mirror.Count("PUT manifest") > 0:
			t.Error("it writes")
		case after && said != "0 new, 3 stay, 0 tags" || !after && said != "1 new, 2 stay, 1 tags":
			t.Errorf("unpacked %v: %s", after, said)
		case !after && (got.Tags[0].Old.Digest != old.Digest || got.Tags[0].New.Digest != now.Digest || got.Tags[0].State != changes.Moves || got.Push.Blobs != 2):
			t.Errorf("%+v, %+v", got.Tags[0], got.Push)
		}
		if err := unpack.Run(t.Context(), second, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
	}
}
