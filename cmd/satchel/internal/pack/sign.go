package pack

import (
	"context"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
)

// sign adds the signatures that a finished bundle lacks: it was sealed by a run without these
// keys, or adding them was interrupted.
func (p *packing) sign(ctx context.Context, dir string, fp bundle.Fingerprint) error {
	if len(p.opts.Job.Signers) == 0 {
		return nil
	}
	late, err := bundle.Unsigned(dir, bundle.Wanted{Expect: fp}, p.opts.Job.Signers)
	if err != nil || len(late) == 0 {
		return err
	}
	done, err := bundle.Sign(ctx, dir, bundle.Wanted{Expect: fp}, late, p.opts.Job.Version)
	if err != nil {
		return fmt.Errorf("sign the finished bundle: %w", err)
	}
	for _, s := range done.Added {
		p.Info("bundle %s was sealed without the signature of %s: it was added (%s)", done.Bundle, s.Key, s.File)
	}
	if len(done.Listed) > 0 {
		p.Info("SHA256SUMS names %s now, which was there", strings.Join(done.Listed, ", "))
	}
	if len(done.TakenBack) > 0 {
		p.Warn("a rekey of bundle %s was interrupted: %s was removed; run that rekey again", done.Bundle, strings.Join(done.TakenBack, ", "))
	}
	return nil
}

// checkSigned looks whether all who were to sign have signed what is on the drive.
func (p *packing) checkSigned(dir string, fp bundle.Fingerprint) error {
	if len(p.opts.Job.Signers) == 0 {
		return nil
	}
	late, err := bundle.Unsigned(dir, bundle.Wanted{Expect: fp}, p.opts.Job.Signers)
	if err != nil {
		return fmt.Errorf("read the signatures that were written: %w", err)
	}
	if len(late) > 0 {
		return fmt.Errorf("read the signatures that were written: %s lacks that of %s", dir, late[0].Fingerprint())
	}
	for _, s := range p.opts.Job.Signers {
		p.Info("signed by %s", s.Fingerprint())
	}
	return nil
}
