package pack

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// across reports whether parity goes across the drives of the bundle, so many, at its end.
func (p *packing) across(drives int) bool {
	job := p.opts.Job
	return drives > 1 && job.Parity.Parity > 0 && drives <= job.Mounted && bundle.AcrossDrives(job.Parity, drives)
}

// addAcross adds parity that goes across all drives of a finished bundle, of which dir is the last one.
func (p *packing) addAcross(ctx context.Context, id, dir string, fp bundle.Fingerprint) error {
	dirs, away, err := p.drivesOf(bundle.SealedError{Bundle: id, Dir: dir})
	if err == nil && len(away) > 0 {
		err = &bundle.AwayError{Drives: away, Why: "parity goes across all drives"}
	}
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	job, want := p.opts.Job, bundle.Wanted{Expect: fp}
	plan, err := bundle.PlanParityAcross(dirs, want, job.Parity)
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	if plan.Already {
		return nil
	}
	bar := p.Progress("parity", 0, plan.Work)
	done, err := bundle.AddParityAcross(ctx, dirs, want, job.Parity, job.Version, bar.Add)
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
