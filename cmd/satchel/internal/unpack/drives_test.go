package unpack_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// slot gives drives in an order, one at a time.
type slot struct {
	t     *testing.T
	r     *bundle.Reader
	order []string // directories that are still to come
	asked [][]bundle.DriveLabel
	keep  bool // drives stay once they are here
}

// Bring puts the next drive into the slot.
func (s *slot) Bring(ctx context.Context, need []bundle.DriveLabel) error {
	s.asked = append(s.asked, need)
	for !s.keep && s.r.Drives()[2].Dir != "" {
		if err := s.r.KeepClosing(ctx, s.t.TempDir()); err != nil {
			return err
		}
		if err := s.r.Detach(bundle.DriveLabel{Bundle: s.r.ID(), Number: 3, Of: 3}); err != nil {
			return err
		}
	}
	if len(s.order) == 0 {
		return &bundle.AwayError{Drives: need}
	}
	for _, d := range s.r.Drives() {
		if !s.keep {
			if err := s.r.Detach(d.DriveLabel); err != nil {
				return err
			}
		}
	}
	_, err := s.r.Attach(ctx, s.order[0])
	s.order = s.order[1:]
	return err
}

// Lost says that no other drive will come.
func (s *slot) Lost(_ context.Context, away []bundle.DriveLabel) ([]bundle.DriveLabel, error) {
	return away, nil
}

func options(t *testing.T, s *jobtest.DriveSet, mirror string, drives unpack.Drives) unpack.Options {
	t.Helper()
	return unpack.Options{To: s.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: mirror, Namespace: "in"}}, Drives: drives}
}

// TestDrivesInTurn unpacks a bundle from three drives, the last one first, the others in each
// order, and a drive that is not needed in between.
func TestDrivesInTurn(t *testing.T) {
	t.Parallel()
	s := jobtest.NewDriveSet(t, 401)
	d := s.Dirs
	for i, order := range [][]string{{d[0], d[1]}, {d[1], d[0]}, {d[2], d[1], d[2], d[0]}} {
		for _, keep := range []bool{false, true} {
			mirror := registrytest.StartV3(t, false, "", "").Host
			r := s.Open(d[2])
			in := &slot{t: t, r: r, order: order, keep: keep}
			if err := unpack.Run(t.Context(), r, jobtest.Client(), options(t, s, mirror, in)); err != nil {
				t.Fatalf("order %d: %v\n%s", i, err, s.Log)
			}
			if len(in.order) > 0 {
				t.Errorf("order %d: %v was not taken", i, in.order)
			}
			again := &slot{t: t, r: r}
			if err := unpack.Run(t.Context(), r, jobtest.Client(), options(t, s, mirror, again)); err != nil || len(again.asked) > 0 {
				t.Errorf("order %d, a mirror that has all: asked for %v, %v", i, again.asked, err)
			}
		}
	}
}

// TestDriveMissing ends with the labels of the drives that are not here; what they have not is
// pushed, and is not asked for again.
func TestDriveMissing(t *testing.T) {
	t.Parallel()
	s := jobtest.NewDriveSet(t, 402)
	mirror := registrytest.StartV3(t, false, "", "").Host
	r := s.Open(s.Dirs[2])
	if _, err := r.Attach(t.Context(), s.Dirs[0]); err != nil {
		t.Fatal(err)
	}
	inside := options(t, s, mirror, nil)
	var err error
	if inside.Out, err = outdir.Open(filepath.Join(s.Dirs[0], "out")); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), r, jobtest.Client(), inside); err == nil || !strings.Contains(err.Error(), "must not be inside") {
		t.Errorf("with an output directory on the first drive: %v", err)
	}
	var away *bundle.AwayError
	err = unpack.Run(t.Context(), r, jobtest.Client(), options(t, s, mirror, nil))
	if !errors.As(err, &away) || len(away.Drives) != 1 || away.Drives[0].Number != 2 || !strings.Contains(err.Error(), away.Drives[0].Label()) {
		t.Fatalf("without the second drive: %v", err)
	}
	in := &slot{t: t, r: s.Open(s.Dirs[2]), order: []string{s.Dirs[1]}}
	if err := unpack.Run(t.Context(), in.r, jobtest.Client(), options(t, s, mirror, in)); err != nil {
		t.Fatal(err)
	}
	if len(in.asked) != 1 || len(in.asked[0]) != 1 || in.asked[0][0].Number != 2 {
		t.Errorf("asked for %v", in.asked)
	}
}

// TestLostDrive: without a drive that is lost, what is whole is pushed and the rest listed; the bundle that pack makes
// of the list completes the first one, also where a tag has moved since.
func TestLostDrive(t *testing.T) {
	t.Parallel()
	s := jobtest.NewDriveSet(t, 403)
	mirror := registrytest.StartV3(t, false, "", "").Host
	keepGoing := func(r *bundle.Reader) (unpack.Report, error) {
		o := options(t, s, mirror, nil)
		o.KeepGoing, o.Report = true, &unpack.Report{}
		err := unpack.Run(t.Context(), r, jobtest.Client(), o)
		return *o.Report, err
	}
	r := s.Open(s.Dirs[2])
	if _, err := r.Attach(t.Context(), s.Dirs[0]); err != nil {
		t.Fatal(err)
	}
	rep, err := keepGoing(r)
	lost, ok := errors.AsType[*unpack.LostError](err)
	if !ok || len(lost.Lost.Images) == 0 || len(lost.Lost.Images) == 3 || len(lost.Lost.Lost) != 1 || lost.Lost.Lost[0] != r.Drives()[1].Label() || rep.Lost == nil {
		t.Fatalf("%v, %+v", err, rep.Lost)
	}
	if rep.Pushed.Images+len(lost.Lost.Images) != 3 || strings.Contains(s.Log.String(), "the receipt of this bundle is in the mirror") {
		t.Errorf("pushed %+v, %d are lost\n%s", rep.Pushed, len(lost.Lost.Images), s.Log)
	}
	for _, g := range lost.Lost.Images { // as if it had been built anew meanwhile
		s.Push(s.Content.Image(true, s.Content.Layer(5000, ocitest.LayerGzip)), g.Image.Source.Repository, "v1")
	}
	list := lost.Lost
	if _, err := list.Marshal(r.ID()); err != nil {
		t.Fatal(err)
	}
	o := s.Pack(s.Prepare(s.Set), "rest")
	o.Only, o.OnlyFile, o.Journals = &list, "gaps.json", o.State
	done, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := unpack.Run(t.Context(), s.Open(done.Dir), jobtest.Client(), options(t, s, mirror, nil)); err != nil {
		t.Fatal(err)
	}
	if rep, err := keepGoing(r); err != nil || rep.Lost == nil || len(rep.Lost.Images) != 0 || !strings.Contains(s.Log.String(), "the receipt of this bundle is in the mirror") {
		t.Errorf("with what the list brought: %v, %+v\n%s", err, rep.Lost, s.Log)
	}
}
