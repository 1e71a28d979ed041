package pack

import (
	"context"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

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
