package pack

import (
	"cmp"
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// parityOf finds out which parity a finished bundle gets: what any of its drives has, else what it
// was begun for, else what all drives that are mounted now make possible.
func (p *packing) parityOf(b bundle.SealedError, dirs []string, away int) (across bool, err error) {
	ratio := p.opts.Job.Parity
	if ratio.Parity == 0 || len(dirs)+away < 2 {
		return false, nil
	}
	for _, dir := range dirs {
		if own, across, err := bundle.HasParity(dir); own || across || err != nil {
			return across, err
		}
	}
	return b.Across || away == 0 && bundle.AcrossDrives(ratio, len(dirs)), nil
}

// addAcross adds parity that goes across all drives of a finished bundle.
func (p *packing) addAcross(ctx context.Context, b bundle.SealedError, dirs []string, away []bundle.DriveLabel) error {
	if len(away) > 0 {
		for _, dir := range dirs {
			if _, has, err := bundle.HasParity(dir); err != nil || !has {
				return fmt.Errorf("add parity: %w", cmp.Or(err, p.awayAtTheEnd(away)))
			}
		}
		return nil
	}
	job, want := p.opts.Job, bundle.Wanted{Expect: b.Fingerprint}
	plan, err := bundle.PlanParityAcross(dirs, want, job.Parity, b.DriveSize)
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	if plan.Already {
		return nil
	}
	bar := p.Progress("parity", 0, plan.Work)
	done, err := bundle.AddParityAcross(ctx, dirs, want, job.Parity, b.DriveSize, job.Version, bar.Add)
	bar.End()
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	p.Info("parity: %s, %s, across %d drives; %s can be rebuilt", text.Count(done.Files, "file", "files"), bundle.FormatSize(done.Bytes), len(dirs), done.Protection)
	for _, d := range dirs {
		if err := bundle.Release(d); err != nil {
			return err
		}
	}
	return nil
}

// awayAtTheEnd says that drives of a finished bundle are away which parity needs.
func (p *packing) awayAtTheEnd(away []bundle.DriveLabel) error {
	if d := away[0]; p.slots != nil && p.slots.Staging {
		return &GoneError{Label: d.Label(), Dir: p.slots.Dir(d.Number), Staging: true, Finished: true, Sealed: true}
	}
	return &bundle.AwayError{Drives: away, Why: "parity goes across all drives"}
}

// addParity adds the parity files that are asked for to a finished bundle, or to a drive of
// one that is finished. Empty, fp is any bundle.
func (p *packing) addParity(ctx context.Context, dir string, fp bundle.Fingerprint) error {
	job := p.opts.Job
	if job.Parity.Parity == 0 {
		return nil
	}
	want := bundle.Wanted{Expect: fp}
	plan, err := bundle.PlanParity(dir, want, job.Parity)
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	if plan.Already {
		return nil
	}
	bar := p.Progress("parity", 0, plan.Work)
	done, err := bundle.AddParity(ctx, dir, want, job.Parity, job.Version, bar.Add)
	bar.End()
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	p.Info("parity: %s, %s; %s can be rebuilt", text.Count(done.Files, "file", "files"), bundle.FormatSize(done.Bytes), done.Protection)
	return nil
}
