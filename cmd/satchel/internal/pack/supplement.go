package pack

import (
	"context"
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// OtherConfigError says that a configuration is not the one that the damaged bundle was packed with.
type OtherConfigError struct {
	File   string // of the configuration
	Bundle string // the damaged one
}

func (e *OtherConfigError) Error() string {
	return fmt.Sprintf("%s is not the configuration that bundle %s was packed with, or flags of pack that add to it are missing", e.File, e.Bundle)
}

// Hint says what to do now.
func (e *OtherConfigError) Hint() string {
	return "name the file as it was when the bundle was packed, and repeat flags such as --from-cluster, --with-dependencies, --graph-data and --helm-values; tags that have moved since do not matter"
}

// Permanent is true: the file stays another one.
func (e *OtherConfigError) Permanent() bool { return true }

// supplement makes the job that of a supplement: what it is called, and from what.
func (o *Options) supplement() error {
	s := o.Supplement
	merged := *o.Config
	merged.Extra.Merge = !merged.Extra.Merge // as --since does; it changes nothing of what was pinned
	if s.Config != o.Job.Config && s.File != o.Job.File && s.File != merged.Digest() {
		return &OtherConfigError{File: o.File, Bundle: s.Bundle}
	}
	o.Job.Config = oci.Digest(fmt.Appendf(nil, "%s supplement of %s for %s", o.Job.Config, s.Fingerprint, s.Lost))
	o.Job.Supplement, o.Job.Stream, o.Job.Partial = s, "", false
	return nil
}

// useKept leaves out the blobs that the damaged bundle still has; nil is for a bundle that is no supplement.
func (p *packing) useKept(s *bundle.Supplement) {
	if s != nil {
		p.UseKept(s.Has)
	}
}

// parityBegunWith takes the parity that a supplement was begun with where this run names none.
func (p *packing) parityBegunWith(ratio bundle.ParityRatio) {
	if p.opts.Job.Parity.Parity == 0 && ratio.Parity > 0 {
		p.opts.Job.Parity = ratio
		p.Info("the supplement gets parity %s, which it was begun with (--restart begins one without)", ratio)
	}
}

// prepareSupplement takes what the damaged bundle was to carry, as it was pinned then, and asks for
// what is lost of it.
func (p *packing) prepareSupplement(ctx context.Context) error {
	s := p.opts.Supplement
	noted, err := recall(s.Gaps)
	if err != nil {
		return err
	}
	p.UseBaseline(s.Baseline)
	p.useKept(s)
	p.Info("bundle %s lost %s fetched again, as it was pinned on %s", s.Bundle, text.Count(s.Segments, "segment: what was in it is", "segments: what was in them is"), text.Minute(s.Begun))
	took := func() error { return p.Resume(ctx, s.Inventory, noted, p.builtDir(s.Bundle)) }
	if err = took(); errors.As(err, new(*prepare.LostError)) {
		if err := p.buildAgain(ctx); err != nil {
			return err
		}
		err = took()
	}
	if err == nil {
		err = p.CheckSources(ctx)
	}
	if err == nil {
		p.Info("to fetch: %s, %s", text.Count(len(p.Carried().Blobs), "blob", "blobs"), bundle.FormatSize(report.Size(p.Carried().Blobs)))
	}
	return err
}

// buildAgain builds anew what no registry has and this host no longer stores. It is what it was
// where catalogs and graphs have not changed since.
func (p *packing) buildAgain(ctx context.Context) error {
	p.Info("what was built for bundle %s is not on this host any more: building it again", p.opts.Supplement.Bundle)
	o := p.opts.Options
	o.Baseline = nil
	again := prepare.New(o)
	defer again.Forget() // what both share is closed by the run
	if err := again.Pin(ctx); err != nil {
		return fmt.Errorf("build again what was built for bundle %s: %w", p.opts.Supplement.Bundle, err)
	}
	return nil
}

// supplementAgain answers for a supplement that is finished: it is read back.
func (p *packing) supplementAgain(ctx context.Context, done bundle.SealedError) (*Result, error) {
	noted, err := recall(done.Gaps)
	if err != nil {
		return nil, err
	}
	p.Gaps = noted
	p.parityBegunWith(done.Parity)
	p.dropBuilt(done.Bundle) // a kill may have come before
	p.Info("%s already holds the supplement %s of bundle %s, packed on %s", done.Dir, done.Bundle, p.opts.Supplement.Bundle, text.Minute(done.Created))
	if err := p.holdBundle(done); err != nil {
		return nil, err
	}
	if err := p.release(ctx, done); err != nil {
		return nil, err
	}
	again := p.result(done.Bundle, done.Dir, done.Fingerprint)
	again.Unchanged = true
	return again, nil
}
