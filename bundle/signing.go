package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

// SignReport is what [Sign] did.
type SignReport struct {
	Dir         string
	Bundle      string
	Fingerprint Fingerprint // as it was
	Plain       bool        // the bundle is not encrypted
	Added       []Signed    // the new signatures
	Already     []Signed    // those of signers who had signed before: nothing was added for them
	Listed      []string    // signature files that were there and are named by extras.json since
	Damage      error       // of parity alone, that was there before; nil for none
	TakenBack   []string    // key files of a rekey that was interrupted: it must be run again
}

// Sign adds signatures to the sealed bundle in dir, which takes no key to its content. It
// compares the seals with each other, and all names and sizes with the seals, as [CheckSizes]
// does, before it signs; it reads no segment. Nothing that the seal binds changes. Interrupted
// anywhere, it leaves a bundle that [Verify] passes or reports by a *[SigningError]; the next
// Sign, by whomever, completes that. At the end the signatures are read again. version is of
// satchel. Errors: those of [CheckSizes], *[RefusedDamageError], *[SignerError], *[RefusedError].
func Sign(ctx context.Context, dir string, want Wanted, signers []*Signer, version string) (done *SignReport, err error) {
	s, err := openSeals([]string{dir}, want)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.renamed {
		return nil, refuseRenamed(s.dir.Path())
	}
	if err := s.checkBefore(ctx, nothing); err != nil {
		return nil, err
	}
	unlock, err := s.lock("another signing or rekey of this bundle")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	done = &SignReport{Dir: s.dir.Path(), Bundle: s.bundle.Bundle, Fingerprint: s.finger, Plain: s.plain(), Damage: s.left(nil)}
	files, err := s.newSignatures(ctx, signers, done)
	if err != nil {
		return nil, err
	}
	steps, err := s.signSteps(files, version, done)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := s.apply(step); err != nil {
			return nil, err
		}
	}
	return done, s.confirmSigned(ctx, signers)
}

// Unsigned gives those of signers who have not signed the bundle in dir, or whose signature
// is not named by extras.json yet. Errors: those of [Open].
func Unsigned(dir string, want Wanted, signers []*Signer) (late []*Signer, err error) {
	s, err := openSeals([]string{dir}, want)
	if err != nil {
		return nil, err
	}
	for _, signer := range signers {
		if !s.hasSigned(signer.Fingerprint()) {
			late = append(late, signer)
		}
	}
	return late, s.close()
}

// confirmSigned reads what was written: the bundle is as it must be, and the signatures are there.
func (s *seals) confirmSigned(ctx context.Context, signers []*Signer) error {
	dir := s.dir.Path()
	err := s.checkAdded(ctx, []string{dir})
	var late []*Signer
	if err == nil {
		late, err = Unsigned(dir, Wanted{Expect: s.finger}, signers)
	}
	if err == nil && len(late) > 0 {
		err = &DamageError{Dir: dir, Faults: []Fault{{seal.BundleName, "is not signed by " + late[0].Fingerprint() + ", although that was written"}}}
	}
	if err != nil {
		return fmt.Errorf("read what was signed: %w", err)
	}
	return nil
}

// newSignatures makes the signature files of those who have not signed yet.
func (s *driveDir) newSignatures(ctx context.Context, signers []*Signer, done *SignReport) (map[string][]byte, error) {
	files, last := map[string][]byte{}, s.lastSignature()
	for _, signer := range signers {
		key := signer.Fingerprint()
		if i := slices.IndexFunc(s.signatures, func(sig signature) bool { return sig.of == seal.BundleName && sig.key == key }); i >= 0 {
			done.Already = append(done.Already, Signed{File: s.signatures[i].file, Key: key})
			continue
		}
		if slices.ContainsFunc(done.Added, func(a Signed) bool { return a.Key == key }) {
			continue
		}
		if last++; last > seal.MaxSignatures {
			return nil, &RefusedError{Dir: s.dir.Path(), Reason: fmt.Sprintf("a bundle has at most %d signatures", seal.MaxSignatures), hint: "pack it again, signed by all who are to sign it"}
		}
		body, err := signer.Sign(ctx, sign.BundleNamespace, s.bodies[seal.BundleName])
		if err != nil {
			return nil, err
		}
		name := seal.SignatureName(seal.BundleName, last)
		files[name] = body
		done.Added = append(done.Added, Signed{File: name, Key: key})
	}
	return files, nil
}

// lastSignature is the highest number of a signature of bundle.json.
func (s *driveDir) lastSignature() (last int) {
	for _, sig := range s.signatures {
		if of, n, _ := seal.ParseSignature(sig.file); of == seal.BundleName {
			last = max(last, n)
		}
	}
	return last
}

// signSteps lists the changes in the order in which they are made: an interrupted rekey is
// taken back; then come the copy of each new signature, the signature, and what follows from
// them, extras.json last. Signatures that nothing names, as an interrupted signing leaves them,
// are named too: each shows itself that it is right.
func (s *driveDir) signSteps(files map[string][]byte, version string, done *SignReport) ([]step, error) {
	now, err := s.smallFiles()
	if err != nil {
		return nil, s.blame(err)
	}
	before, err := now.derive()
	if err != nil {
		return nil, s.blame(err)
	}
	list, err := s.undo(before)
	if err != nil {
		return nil, err
	}
	for _, step := range list {
		if step.body == nil && !strings.HasPrefix(step.name, seal.CopyDir+"/") {
			done.TakenBack = append(done.TakenBack, step.name)
		}
	}
	next := now
	next.extras, next.signatures = nil, maps.Clone(now.signatures)
	maps.Copy(next.signatures, files)
	if len(files) > 0 {
		next.packedBy = version
	}
	for _, sig := range s.signatures {
		if !sig.listed && sig.of == seal.BundleName {
			next.signatures[sig.file] = sig.body
			done.Listed = append(done.Listed, sig.file)
		}
	}
	if len(next.signatures) == len(now.signatures) {
		return list, nil
	}
	next.packedBy = seal.SignedBy(next.packedBy).PackedBy
	after, err := next.derive()
	if err != nil {
		return nil, s.blame(err)
	}
	var added []step
	for _, name := range slices.Sorted(maps.Keys(next.signatures)) {
		if _, listed := now.signatures[name]; listed {
			continue
		}
		list = append(list, step{seal.CopyDir + "/" + name, next.signatures[name]})
		if _, isNew := files[name]; isNew { // the others are there
			added = append(added, step{name, next.signatures[name]})
		}
	}
	return append(append(list, added...), step{seal.CopyDir + "/" + seal.ExtrasName, after.extras}, step{seal.ReadmeName, after.readme},
		step{seal.SumsName, after.sums}, step{seal.ExtrasName, after.extras}), nil
}
