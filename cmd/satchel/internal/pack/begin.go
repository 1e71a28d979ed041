package pack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci/text"
)

// open resumes the bundle in the directory, or finds out all that can be found out
// before the first byte, and begins one. If a bundle there is finished and has what is
// asked for, it gives that one.
func (p *packing) open(ctx context.Context) (*Result, error) {
	if err := p.sizeBegunWith(); err != nil {
		return nil, err
	}
	if p.opts.several() {
		return p.openSeveral(ctx)
	}
	if err := p.checkMount(ctx); err != nil {
		return nil, err
	}
	made, err := bundle.MakeDir(p.opts.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if made && p.w == nil {
			_ = os.Remove(p.opts.Dir) // nothing was begun in it
		}
	}()
	w, err := p.resume(ctx)
	var done *bundle.SealedError
	switch {
	case errors.As(err, &done) && p.opts.Supplement != nil:
		return p.supplementAgain(ctx, *done)
	case errors.As(err, &done):
		return p.again(ctx, done)
	case err != nil:
		return nil, err
	case w != nil:
		return nil, p.goOn(ctx, w)
	}
	if err := p.checkWaiting(ctx); err != nil {
		return nil, err
	}
	if err := p.beginNamed(); err != nil {
		return nil, err
	}
	if err := p.probe(); err != nil {
		return nil, err
	}
	p.others()
	if p.opts.Supplement != nil {
		return nil, p.begin(ctx, p.prepareSupplement)
	}
	return nil, p.begin(ctx, p.Prepare)
}

// others names the bundles that stand on the drive already: they stay as they are.
func (p *packing) others() {
	list, _, err := bundle.List(p.opts.Dir, p.opts.State)
	if err != nil || p.opts.Restart {
		return // what stands in the way comes up where it matters
	}
	for _, f := range list {
		var unfinished *bundle.UnfinishedError
		switch {
		case f.Running:
			p.Info("%s holds another bundle, which another satchel is at work on%s", f.Dir, f.Who)
		case f.Sealed || !errors.As(f.Err, &unfinished):
			p.Info("%s holds another bundle, which stays as it is", f.Dir)
		default:
			p.Warn("%s holds an unfinished bundle of another configuration, which stays as it is: run its own pack again to finish it, or remove the directory", f.Dir)
		}
	}
}

// goOn takes a bundle over that was begun.
func (p *packing) goOn(ctx context.Context, w *bundle.Writer) error {
	p.w = w
	p.UseBaseline(w.Baseline())
	if s := w.Supplement(); s != nil {
		p.useKept(s)
		p.parityBegunWith(s.Parity)
	}
	sayParity := p.takeParity()
	if n := len(w.Drives()); n > 1 {
		p.Info("resuming bundle %s on %d drives, content pinned on %s", w.ID(), n, text.Minute(w.Begun()))
		p.sayNoWholeDrive(n)
	} else {
		p.Info("resuming bundle %s in %s, content pinned on %s", w.ID(), w.Dir(), text.Minute(w.Begun()))
	}
	p.sayDriveSize()
	sayParity()
	here, err := p.here()
	if err == nil {
		err = p.checkAllHere(here)
	}
	if err == nil {
		err = p.beginNamed()
	}
	if err == nil {
		err = p.prepareLedger()
	}
	var noted gaps.List
	if err == nil {
		noted, err = recall(w.Gaps())
	}
	if err == nil {
		err = p.Resume(ctx, w.Inventory(), noted, p.builtDir(w.ID()))
	}
	if err == nil {
		err = p.stillFits(ctx)
	}
	if err == nil {
		err = p.Adopt(ctx, p.builtDir(w.ID())) // a kill may have come before
	}
	if err != nil {
		return errors.Join(err, w.Close())
	}
	return nil
}

// resume resumes the bundle that exists, unless it is to be deleted: then it stays until
// all else is known to be in order.
func (p *packing) resume(ctx context.Context) (*bundle.Writer, error) {
	if p.opts.Restart {
		some, err := bundle.CheckRestart(p.opts.Dir, p.opts.State, p.opts.Job)
		if some || err != nil {
			return nil, err
		}
		p.Info("nothing unfinished of this configuration in %s: nothing is deleted, and there is nothing to restart", p.opts.Dir)
		p.opts.Restart = false
	}
	var w *bundle.Writer
	err := p.rehash(func(rehash bundle.Rehash) (err error) {
		w, err = bundle.Resume(ctx, p.opts.Dir, p.opts.State, p.opts.Job, rehash)
		return err
	})
	return w, err
}

// begin begins a bundle of what prepared finds out.
func (p *packing) begin(ctx context.Context, prepared func(context.Context) error) (err error) {
	job := p.opts.Job
	if err := job.MakeKey(); err != nil { // asks now, while someone is there
		return cmp.Or(ctx.Err(), err)
	}
	if err := prepared(ctx); err != nil {
		return err
	}
	if job.Baseline, err = p.PinBaseline(ctx); err != nil {
		return err
	}
	if err := p.ReadSmall(ctx); err != nil {
		return err
	}
	if err := p.create(ctx, job); err != nil {
		return err
	}
	p.UseBaseline(p.w.Baseline()) // what images are left out from now on changes nothing of it
	if err := p.Adopt(ctx, p.builtDir(p.w.ID())); err != nil {
		return errors.Join(err, p.w.Close())
	}
	return nil
}

// create begins the bundle where there is room for it.
func (p *packing) create(ctx context.Context, job bundle.Job) (err error) {
	if p.slots != nil {
		err = p.spread(ctx, &job)
	} else {
		err = p.makeRoom(ctx, job)
	}
	if err != nil {
		return err
	}
	if job.Gaps, err = p.noted(""); err != nil {
		return err
	}
	if p.slots != nil {
		if err := p.createSeveral(job); err != nil {
			return err
		}
	} else if p.w, err = bundle.Create(p.opts.Dir, p.opts.State, job, p.Inventory()); err != nil {
		return err
	}
	if drives := p.w.Drives(); len(drives) > 1 {
		p.Info("writing bundle %s on %d drives", p.w.ID(), len(drives))
	} else {
		p.Info("writing bundle %s into %s", p.w.ID(), p.w.Dir())
	}
	return nil
}

// noted is the gap list for the journal, nothing if there are no gaps.
func (p *packing) noted(id string) ([]byte, error) {
	if len(p.Gaps.Images) == 0 {
		return nil, nil
	}
	return p.Gaps.Marshal(id)
}

// recall reads the gaps that an earlier run noted.
func recall(body []byte) (list gaps.List, err error) {
	if len(body) == 0 {
		return list, nil
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return list, fmt.Errorf("read the gaps of the earlier run: %w", err)
	}
	return list, nil
}
