package pack

import (
	"context"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// WaitingError says that an unfinished bundle with finished drives waits for its next drive, and that nobody has agreed to begin
// another one beside it, or to give it up.
type WaitingError struct {
	bundle.UnfinishedBundle
	Restart bool // it would be given up
}

func (e *WaitingError) Error() string {
	done := "drive " + e.Finished[0] + " is"
	if len(e.Finished) > 1 {
		done = "drives " + text.And(e.Finished) + " are"
	}
	s := fmt.Sprintf("bundle %s of this configuration is unfinished: %s finished, and it waits for drive %s", e.Bundle, done, e.Next)
	if e.How != "" {
		s += "; it was begun " + e.How
	}
	if e.Restart {
		s += ". A restart gives it up, and its finished drives are of no use any more then"
	}
	return s
}

// Hint says what to do now.
func (e *WaitingError) Hint() string {
	if e.Restart {
		return "to go on with it, leave out --restart; to give it up, add --yes"
	}
	run := "run the command that it was begun with"
	if e.Command != "" {
		run += ": " + e.Command
	}
	return fmt.Sprintf("to go on with it, mount drive %s and %s. To begin another bundle all the same, add --yes: that one stays as it is", e.Next, run)
}

// Permanent is true: it was typed.
func (e *WaitingError) Permanent() bool { return true }

// checkWaiting begins no second bundle unasked while one of the same configuration waits for its next drive: a flag may have been
// forgotten. Directories that are not drives are in nobody's turn.
func (p *packing) checkWaiting(ctx context.Context) error {
	dirs := []string{p.opts.Dir}
	if p.slots != nil {
		dirs = p.slots.Dirs
	}
	for _, dir := range dirs {
		if root, err := bundle.IsRoot(dir); err != nil || !root {
			return err
		}
	}
	for _, w := range bundle.WaitingFor(p.opts.State, p.opts.Job) {
		if slices.Contains(p.given, w.Bundle) {
			continue
		}
		if err := p.agree(ctx, &WaitingError{UnfinishedBundle: w}, "Begin another bundle?"); err != nil {
			return err
		}
	}
	return nil
}

// agree asks whether to do what an error says, and gives it if the answer is no or nobody is there.
func (p *packing) agree(ctx context.Context, e *WaitingError, question string) error {
	if p.opts.Agree == nil {
		return e
	}
	p.Warn("%v", e)
	yes, err := p.opts.Agree(ctx, question)
	if err == nil && !yes {
		err = e
	}
	return err
}

// clearForWaiting deletes the unfinished bundles that are in the places, those alone, where another one of the same job waits for its
// next drive: the run resumes that one. It reports whether it did.
func (p *packing) clearForWaiting(found []bundle.Abandoned) (bool, error) {
	if !slices.ContainsFunc(found, func(b bundle.Abandoned) bool { return len(b.Dirs) > 0 }) {
		return false, nil
	}
	for _, w := range bundle.WaitingFor(p.opts.State, p.opts.Job) {
		if w.How == "" && !slices.ContainsFunc(found, func(b bundle.Abandoned) bool { return b.Bundle == w.Bundle }) {
			p.Info("bundle %s waits for drive %s, and goes on: only what is in its way is deleted", w.Bundle, w.Next)
			return true, p.restart()
		}
	}
	return false, nil
}

// mayRestart makes sure that nobody loses unasked a bundle with finished drives of which nothing is here.
func (p *packing) mayRestart(ctx context.Context, found []bundle.Abandoned) error {
	for _, b := range found {
		p.given = append(p.given, b.Bundle)
		if len(b.Dirs) > 0 || len(b.Finished) == 0 {
			continue
		}
		e := &WaitingError{UnfinishedBundle: bundle.UnfinishedBundle{Bundle: b.Bundle, Finished: b.Finished, Next: b.Next}, Restart: true}
		if err := p.agree(ctx, e, "Give it up?"); err != nil {
			return err
		}
	}
	return nil
}
