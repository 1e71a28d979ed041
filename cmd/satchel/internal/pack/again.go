package pack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// ChangedError says that the configuration names other content now than a finished bundle
// has, and that no other bundle can be begun where it is.
type ChangedError struct {
	Dir, Bundle string
	Packed      time.Time
	Moved       []string // what is different, image by image
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s holds bundle %s, packed on %s, and the configuration names other content now: %s", e.Dir, e.Bundle, text.Minute(e.Packed), text.Some(e.Moved, 3))
}

// Hint says what to do now.
func (e *ChangedError) Hint() string {
	return "name a new directory, or the root of a drive, where each bundle gets a directory of its own; satchel never deletes a finished bundle"
}

// Permanent is true: the bundle stays what it is.
func (e *ChangedError) Permanent() bool { return true }

// UncomparedError says that nobody knows whether a finished bundle still has what the
// configuration names.
type UncomparedError struct {
	Dir, Bundle string
	Packed      time.Time
	Verified    bool                 // it was read back, and is whole
	Fingerprint bundle.Fingerprint   // of what was read back; "" if it was not
	Others      []bundle.SealedError // of the same configuration; nobody looked at them

	hinted bool // the reason says what to do now
}

func (e *UncomparedError) Error() string {
	state := "is whole and "
	if !e.Verified {
		state = ""
	}
	return fmt.Sprintf("bundle %s in %s, packed on %s, %scould not be compared with what the configuration names now%s", e.Bundle, e.Dir, text.Minute(e.Packed), state, e.others())
}

// others says of which further bundles nothing is known.
func (e *UncomparedError) others() string {
	if len(e.Others) == 0 {
		return ""
	}
	list := make([]string, len(e.Others))
	for i, b := range e.Others {
		list[i] = fmt.Sprintf("%s (packed on %s)", b.Dir, text.Minute(b.Created))
	}
	looked := "read back"
	if !e.Verified {
		looked = "looked at"
	}
	return fmt.Sprintf("; the drive holds %d bundles of this configuration, and only this one was %s; not looked at: %s", 1+len(list), looked, text.Some(list, 20))
}

// Hint says what to do now, "" where the reason, which is joined to it, does.
func (e *UncomparedError) Hint() string {
	if e.hinted {
		return ""
	}
	return "run the same command again when its registries answer"
}

// Permanent is false: the registries may answer next time.
func (e *UncomparedError) Permanent() bool { return false }

// again answers for bundles of this job that are finished. It gives the one that has what
// the configuration names now, and nil if another one was begun beside them.
func (p *packing) again(ctx context.Context, done *bundle.SealedError) (*Result, error) {
	all := append([]bundle.SealedError{*done}, done.Earlier...)
	noted := make([]gaps.List, len(all))
	if p.opts.BeginAgain != "" {
		p.Warn("bundle %s is finished: no drive of it is begun again (--begin-again %s)", done.Bundle, p.opts.BeginAgain)
	}
	for i, b := range all {
		var err error
		if noted[i], err = recall(b.Gaps); err != nil {
			return nil, err
		}
		p.dropBuilt(b.Bundle) // a kill may have come before
		if err := p.sealed(b.Seal(), b.Dir); err != nil {
			return nil, err
		}
	}
	if done.Interrupted { // an earlier one was left for a newer one
		return p.completed(ctx, all[0], noted[0])
	}
	p.Info("%s already holds bundle %s, packed on %s: comparing it with what the configuration names now", done.Dir, done.Bundle, text.Minute(done.Created))
	keepGoing := p.KeepGoing
	same, moved, err := p.compare(ctx, all, noted)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, p.uncompared(ctx, *done, err)
	case same >= 0:
		return p.unchanged(ctx, all[same], noted[same])
	}
	const most = 20
	for _, m := range moved[:min(most, len(moved))] {
		p.Info("not as it was packed: %s", m)
	}
	if n := len(moved) - most; n > 0 {
		p.Info("not as it was packed: %d more", n)
	}
	if !done.Beside {
		return nil, errors.Join(&ChangedError{Dir: done.Dir, Bundle: done.Bundle, Packed: done.Created, Moved: moved}, done.Refused)
	}
	p.Info("a new bundle is started next to it; %s is not changed", done.Dir)
	if err := p.probe(); err != nil {
		return nil, err
	}
	return nil, p.begin(ctx, func(ctx context.Context) error {
		if p.KeepGoing == keepGoing {
			return p.Finish(ctx)
		}
		p.Forget()
		p.KeepGoing = keepGoing // gaps are known from then on, and must not be allowed by that
		return p.Prepare(ctx)
	})
}

// completed brings a run to its end that was interrupted after the seal: what it was to
// pack was pinned when it began.
func (p *packing) completed(ctx context.Context, b bundle.SealedError, noted gaps.List) (*Result, error) {
	if err := p.holdBundle(b); err != nil {
		return nil, err
	}
	p.Info("resuming bundle %s in %s, content pinned on %s: it is sealed, and was not read back yet", b.Bundle, b.Dir, text.Minute(b.Begun))
	p.Gaps = noted
	p.parityOfSealed(b)
	if err := p.release(ctx, b); err != nil {
		return nil, err
	}
	return p.result(b.Bundle, b.Dir, b.Fingerprint), nil
}

// compare pins the configuration again. same is the number of the bundle that has just
// that, -1 if none has; moved then lists what is different from the first one.
func (p *packing) compare(ctx context.Context, all []bundle.SealedError, noted []gaps.List) (same int, moved []string, err error) {
	same = -1
	find := func() {
		for i, b := range all {
			if same < 0 && len(differences(left(b.Inventory.Images, noted[i]), p.Graph.Images)) == 0 {
				same = i
			}
		}
	}
	for _, list := range noted {
		p.KeepGoing = p.KeepGoing || len(list.Images) > 0
	}
	if err := p.Pin(ctx); err != nil {
		return same, nil, err
	}
	if find(); same >= 0 {
		return same, nil, nil
	}
	if err := p.CheckSources(ctx); err != nil {
		return same, nil, err
	}
	if err := p.CheckGaps(ctx, noted[0]); err != nil {
		return same, nil, err
	}
	find()
	return same, differences(left(all[0].Inventory.Images, noted[0]), p.Graph.Images), nil
}

// left leaves out the images of gaps, and what is attached to them: journals of earlier
// versions, and those that a crash has cut, have them.
func left(images []oci.Image, noted gaps.List) (list []oci.Image) {
	gone := map[string]bool{}
	for _, img := range images {
		for _, g := range noted.Images {
			if !gaps.AllAttached(g) && gaps.Is(img, g) && img.Subject == g.Image.Subject && (g.Image.Root.Digest == "" || g.Image.Root.Digest == img.Root.Digest) {
				gone[img.Source.WithDigest(img.Root.Digest).String()] = true
			}
		}
	}
	for _, img := range images {
		if !gone[img.Source.WithDigest(img.Root.Digest).String()] && (img.Subject == "" || !gone[img.Source.WithDigest(img.Subject).String()]) {
			list = append(list, img)
		}
	}
	return list
}

// unchanged reads a bundle back, as after packing it, and says that nothing has changed. The
// signatures that nodes demand are looked at again: clusters may have other policies by now.
func (p *packing) unchanged(ctx context.Context, b bundle.SealedError, noted gaps.List) (*Result, error) {
	p.Gaps = noted
	if err := p.Demanded(ctx); err != nil { // by policies that are new since
		return nil, p.uncompared(ctx, b, err)
	}
	if err := p.holdBundle(b); err != nil {
		return nil, err
	}
	err := p.on.Check()
	if err == nil {
		err = p.checkAgain(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	if err := p.syncDrive(b.Dir); err != nil {
		return nil, err
	}
	p.Info("bundle %s in %s: packed on %s, nothing has changed since", b.Bundle, b.Dir, text.Minute(b.Created))
	p.sayWhere(b)
	done := p.result(b.Bundle, b.Dir, b.Fingerprint)
	if done.Unchanged = true; p.Baseline != nil {
		done.Carried = nil // it was begun with another baseline
	}
	return done, nil
}

// uncompared says why a bundle could not be compared, once it is known whether it is whole.
func (p *packing) uncompared(ctx context.Context, b bundle.SealedError, why error) error {
	err := p.holdBundle(b)
	if err == nil {
		err = p.checkAgain(ctx, b)
	}
	if err != nil {
		return errors.Join(err, why)
	}
	found := &UncomparedError{Dir: b.Dir, Bundle: b.Bundle, Packed: b.Created, Verified: !p.opts.NoVerify, Others: b.Earlier}
	if found.Verified {
		found.Fingerprint = b.Fingerprint
	}
	if cause, ok := errors.AsType[interface {
		error
		Hint() string
	}](why); ok {
		found.hinted = cause.Hint() != ""
	}
	return errors.Join(found, why)
}

// holdBundle keeps other runs away from a finished bundle until this one ends. What is read
// back after that is the bundle as it is then.
func (p *packing) holdBundle(b bundle.SealedError) (err error) {
	p.stream, p.sequence = b.Stream, b.Sequence
	p.hold, err = bundle.HoldBundle(b.Dir, p.opts.State, p.opts.Job.Command)
	return err
}

// checkAgain reads a finished bundle back, or, if that is not wanted, looks at its seals
// and the sizes of its files.
func (p *packing) checkAgain(ctx context.Context, b bundle.SealedError) error {
	dirs, away, err := p.drivesOf(b)
	if err != nil {
		return err
	}
	if err := p.sign(ctx, b.Dir, b.Fingerprint); err != nil {
		return err
	}
	across, err := p.parityOf(b, dirs, len(away))
	if err == nil && across {
		err = p.addAcross(ctx, b, dirs, away)
	}
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if across {
			break
		}
		want := b.Fingerprint
		if dir != b.Dir {
			want = "" // only the last drive has one
		}
		if err := p.addParity(ctx, dir, want); err != nil {
			return err
		}
	}
	if p.opts.NoVerify {
		err = p.checkSizes(ctx, b.Fingerprint, dirs...)
	} else if _, err = p.verify(ctx, b.Fingerprint, dirs...); err == nil && !b.Verified {
		err = p.verified(b.Fingerprint, b.Bundle, b.Dir)
	}
	if err != nil {
		return err
	}
	if len(away) > 0 {
		p.Warn("%v", &bundle.AwayError{Drives: away, Why: "not looked at"})
	}
	return p.checkSigned(b.Dir, b.Fingerprint)
}

// drivesOf gives the directories of a finished bundle, of several drives those that are in the
// places of this run, and says which drives are in none of them.
func (p *packing) drivesOf(b bundle.SealedError) (dirs []string, away []bundle.DriveLabel, err error) {
	places := []string{p.opts.Dir}
	if p.slots != nil {
		places = slices.Concat(p.slots.places(), p.slots.Dirs)
	}
	dirs, away, err = bundle.DrivesIn(b.Bundle, places)
	if err == nil && !slices.Contains(dirs, b.Dir) {
		dirs = append(dirs, b.Dir)
	}
	return dirs, away, err
}

// checkSizes is what is done in place of reading a bundle back.
func (p *packing) checkSizes(ctx context.Context, fp bundle.Fingerprint, dirs ...string) error {
	if err := bundle.CheckSizes(ctx, dirs, bundle.Wanted{Expect: fp}); err != nil {
		return err
	}
	for _, dir := range dirs {
		p.Info("%s was not read back: its seals and the sizes of its files are right", dir)
	}
	return nil
}
