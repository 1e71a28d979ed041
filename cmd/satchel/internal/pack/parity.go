package pack

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// takeParity takes the parity that the bundle was begun with where this run names none and drives have it already. It gives what says
// so, and what is different otherwise.
func (p *packing) takeParity() (say func()) {
	begun, across := p.w.BegunParity()
	now, several := p.opts.Job.Parity, len(p.w.Drives()) > 1
	p.added = now.Parity > 0 && now != begun
	p.w.UseParity(now) // a supplement may have taken it
	switch {
	case now.Parity == 0 && begun.Parity > 0 && several && !across:
		p.opts.Job.Parity = begun
		p.w.UseParity(begun)
		return func() { p.Info("taking --parity %s, as the bundle was begun with it", begun) }
	case now.Parity == 0 && begun.Parity > 0:
		return func() { p.sayLeftOut(begun) }
	case p.added && several:
		return p.sayAdded
	}
	return func() {}
}

// sayLeftOut says that a bundle gets no parity although it was begun with it.
func (p *packing) sayLeftOut(begun bundle.ParityRatio) {
	p.Warn("the bundle was begun with --parity %s, which this run leaves out: it will have no parity. Stop and give it again, or add it to the finished bundle: satchel parity --parity %s", begun, begun)
}

// sayAdded names the drives that were finished without the parity which this run asks for, and says that it takes more room.
func (p *packing) sayAdded() {
	if p.w.Across() {
		return
	}
	ratio := p.opts.Job.Parity
	p.Warn("the bundle was not begun with --parity %s: each drive that is not finished takes more room than was planned for it; where one has too little, leave out --parity", ratio)
	var without []string
	for _, d := range p.w.Drives() {
		if d.Finished && !d.Parity {
			without = append(without, d.Label)
		}
	}
	if len(without) > 0 {
		p.Warn("finished without parity: %s; add it to each of them: satchel parity --parity %s DIR", text.And(without), ratio)
	}
}

// parityOfSealed is [packing.takeParity] for a bundle that was sealed, and not finished with its parity.
func (p *packing) parityOfSealed(b bundle.SealedError) {
	dirs, away, err := p.drivesOf(b)
	if p.opts.Job.Parity.Parity > 0 || b.Parity.Parity == 0 || err != nil {
		return
	}
	if b.Across || len(dirs)+len(away) < 2 {
		p.sayLeftOut(b.Parity)
		return
	}
	p.opts.Job.Parity = b.Parity
	p.Info("taking --parity %s, as the bundle was begun with it", b.Parity)
}

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
	if space, ok := errors.AsType[*bundle.SpaceError](err); ok {
		space.Begun = true // the segments were written
	}
	if err != nil {
		return fmt.Errorf("add parity: %w", err)
	}
	p.Info("parity: %s, %s; %s can be rebuilt", text.Count(done.Files, "file", "files"), bundle.FormatSize(done.Bytes), done.Protection)
	return nil
}
