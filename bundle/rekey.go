package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// RekeyReport is what [Rekey] did.
type RekeyReport struct {
	Dir         string
	Bundle      string
	Fingerprint Fingerprint // as it was
	Files       []string    // the new key files
	Already     []Recipient // those that it shows of that they could open it before: nothing was added for them
	Damage      error       // that was there before, and stays: of parity as a rule; nil for none
}

// Rekey lets more recipients open the sealed bundle in dirs, of which all drives must be here: it
// opens the bundle key with one of ids and writes further key files onto each drive, the last one last. Nothing
// that the seal binds changes, and whoever could open the bundle still can. Interrupted anywhere, it
// leaves drives that [Verify] passes or reports by a *[RekeyError]; Rekey takes
// such a beginning back and starts again. Before the first change it looks for damage as [CheckSizes] does.
// Errors: those of [Open], *[RefusedDamageError], *[AwayError],
// *[MixedError], *[RecipientError], *[RefusedError].
func Rekey(ctx context.Context, dirs []string, want Wanted, ids []Identity, to []Recipient) (done *RekeyReport, err error) {
	s, err := openSeals(dirs, want)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.canRekey(ids); err != nil {
		return nil, err
	}
	if err := s.checkBefore(ctx, rewritten); err != nil {
		return nil, err
	}
	r := rekeying{seals: s, drives: s.drives()}
	if err := r.read(to); err != nil {
		return nil, err
	}
	unlock, err := r.lockAll()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	done = &RekeyReport{Dir: s.dir.Path(), Bundle: s.bundle.Bundle, Fingerprint: s.finger}
	key, err := s.openKey(ctx, ids)
	if err != nil {
		return nil, err
	}
	var added []Recipient // after the key, so that passphrases are asked for in this order
	for _, who := range to {
		if r.knows(who, ids) {
			done.Already = append(done.Already, who)
		} else {
			added = append(added, who)
		}
	}
	last := r.lastKey()
	files, err := s.newKeys(key, last, added)
	if err != nil {
		return nil, err
	}
	for n := range files {
		done.Files = append(done.Files, seal.KeyName(last+1+n))
	}
	steps, err := r.steps(last+1, files)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	done.Damage = s.left(steps)
	for _, st := range steps {
		if err := st.on.apply(st.step); err != nil {
			return nil, err
		}
	}
	return done, r.confirm(ctx, dirs, done.Files)
}

// confirm reads what was written: each drive is as it must be, and has the new key files.
func (r *rekeying) confirm(ctx context.Context, dirs, names []string) error {
	err := r.checkAdded(ctx, dirs)
	if err == nil {
		err = lackKeys(dirs, r.finger, names)
	}
	if err != nil {
		return fmt.Errorf("read what was added: %w", err)
	}
	return nil
}

// unlessAdding gives an error of the drives, nil if all that it says is that an adding of parity was interrupted,
// before what is done now.
func unlessAdding(err error) error {
	//lint:ignore errorlint it is unwrapped here
	switch e := err.(type) {
	case *ParityError:
		return nil
	case interface{ Unwrap() []error }:
		if !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return unlessAdding(err) != nil }) {
			return nil
		}
	}
	return err
}

// lackKeys finds a drive whose extras.json does not name the key files.
func lackKeys(dirs []string, finger Fingerprint, names []string) error {
	s, err := openSeals(dirs, Wanted{Expect: finger})
	if err != nil {
		return err
	}
	for _, d := range s.drives() {
		for _, name := range names {
			if !slices.ContainsFunc(d.extras.Files, func(f seal.File) bool { return f.Name == name }) {
				err = also(err, d.damage(seal.ExtrasName, "does not name "+name+", although that was written", nil))
			}
		}
	}
	return also(err, s.close())
}

// rewritten reports whether a rekey writes a file anew, or deletes it.
func rewritten(d *driveDir, name string) bool {
	switch base := strings.TrimPrefix(name, seal.CopyDir+"/"); name {
	case seal.ReadmeName, seal.SumsName, seal.CopyDir + "/" + seal.ExtrasName:
		return true
	default:
		return d.isPending(base)
	}
}

// canRekey finds out what stands against it.
func (s *seals) canRekey(ids []Identity) error {
	here := map[int]bool{}
	for _, d := range s.drives() {
		here[d.drive.Drive] = true
		if d.renamed {
			return refuseRenamed(d.dir.Path())
		}
	}
	n := len(s.bundle.Drives)
	switch away := notHere(s.bundle.Bundle, n, here); {
	case s.plain():
		return &RefusedError{Dir: s.dir.Path(), Reason: "the bundle is not encrypted: it has no key that could be given to others", hint: "whoever has the drive can read it; to let in some people alone, pack it again for their keys"}
	case n > 1 && len(away) > 0:
		return &AwayError{Drives: away, Why: "new key files are written onto each drive"}
	case len(ids) == 0:
		return ErrNoKey
	}
	return nil
}

// rekeying is one rekey, over all drives of a bundle.
type rekeying struct {
	*seals
	drives []*driveDir  // the last one last
	now    []smallFiles // of each
}

// read reads the small files of each drive.
func (r *rekeying) read(to []Recipient) error {
	for _, d := range r.drives {
		now, err := d.smallFiles()
		if err != nil {
			return d.blame(err)
		}
		if err := keys.CheckAdd(now.postQuantum, to); err != nil {
			return err
		}
		r.now = append(r.now, now)
	}
	return nil
}

func (r *rekeying) lockAll() (unlock func() error, err error) {
	var each []func() error
	unlock = func() (err error) {
		for _, one := range each {
			err = errors.Join(err, one())
		}
		return err
	}
	for _, d := range r.drives {
		one, err := d.lock("another rekey of this bundle")
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		each = append(each, one)
	}
	return unlock, nil
}

// knows reports whether a key file on every drive shows that the recipient can open it.
func (r *rekeying) knows(who Recipient, ids []Identity) bool {
	return !slices.ContainsFunc(r.now, func(now smallFiles) bool { return !keys.Known(who, now.keys, ids) })
}

// lastKey is the highest number that a key file has on any drive: after an interrupted rekey
// earlier drives may have more of them than the last one.
func (r *rekeying) lastKey() (last int) {
	for _, d := range r.drives {
		last = max(last, d.lastKey())
	}
	return last
}

// driveStep is a change of one drive.
type driveStep struct {
	on *driveDir
	step
}

// steps lists the changes of all drives: the last drive, from which readers take the keys, comes last.
func (r *rekeying) steps(first int, files [][]byte) (list []driveStep, err error) {
	for i, d := range r.drives {
		steps, err := d.rekeySteps(r.now[i], first, files)
		if err != nil {
			return nil, err
		}
		for _, st := range steps {
			list = append(list, driveStep{d, st})
		}
	}
	return list, nil
}

// blame makes a damaged key file the bundle's damage.
func (s *driveDir) blame(err error) error {
	var bad *keys.FileError
	if errors.As(err, &bad) {
		return s.damage(bad.Name, bad.Why, nil)
	}
	return err
}

func refuseRenamed(dir string) error {
	return &RefusedError{Dir: dir, Reason: "a copy has changed the names of its files, and more cannot be added to it", hint: "copy it to a drive and give the files back the names that SHA256SUMS has"}
}

// lock finds out, before anyone is asked for anything, whether the drive can be
// written, and keeps other runs out that change small files.
func (s *driveDir) lock(other string) (unlock func() error, err error) {
	unlock, err = s.dir.Lock()
	if errors.Is(err, media.ErrLocked) {
		return nil, &RefusedError{Dir: s.dir.Path(), Reason: other + " is running", Busy: true, hint: waitForIt}
	}
	if err != nil {
		return nil, err
	}
	err = s.dir.Probe()
	if err == nil {
		var body []byte
		body, err = s.dir.ReadFile(seal.ExtrasName, seal.MaxSize)
		if err == nil && string(body) != string(s.bodies[seal.ExtrasName]) {
			err = &RefusedError{Dir: s.dir.Path(), Reason: other + " has just ended", Busy: true, hint: "run the same command again"}
		}
	}
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	return unlock, nil
}

// openKey opens the bundle key.
func (s *seals) openKey(ctx context.Context, ids []Identity) (keys.Key, error) {
	key, err := s.unlock(ctx, ids)
	if err != nil {
		return key, err
	}
	_, err = s.readIndex(key) // what the key file held is the key
	return key, err
}

// newKeys encrypts the bundle key to the new recipients, if there are any; last is the highest number
// that a key file has.
func (s *driveDir) newKeys(key keys.Key, last int, to []Recipient) ([][]byte, error) {
	if len(to) == 0 {
		return nil, nil
	}
	files, err := key.Add(to)
	if err != nil {
		return nil, err
	}
	if last+len(files) > keys.MaxKeyFiles {
		return nil, &RefusedError{Dir: s.dir.Path(), Reason: fmt.Sprintf("a bundle has at most %d key files", keys.MaxKeyFiles), hint: "pack it again for all recipients"}
	}
	return files, nil
}

// step is one change of the drive; a file without a body goes away.
type step struct {
	name string
	body []byte
}

func (s *driveDir) apply(st step) error {
	if st.body == nil {
		return s.dir.Remove(st.name)
	}
	return s.dir.WriteFile(st.name, st.body)
}

// rekeySteps lists the changes in the order in which they are made. First an
// interrupted rekey is taken back, from its end to its beginning; then the new
// key files are added: the copy of each, then each, then what follows from
// them, and extras.json last. So a key file that extras.json does not name
// always shows that a rekey is under way, and holds all that shows what the other
// files may be meanwhile. The first new one has the number first.
func (s *driveDir) rekeySteps(now smallFiles, first int, files [][]byte) ([]step, error) {
	before, err := now.derive()
	if err != nil {
		return nil, s.blame(err)
	}
	list, err := s.undo(before)
	if err != nil || len(files) == 0 {
		return list, err
	}
	next := now
	next.extras = nil // what this version does not know of it may go: it would be among the needs else
	next.keys = maps.Clone(now.keys)
	var added []step
	for n, body := range files {
		name := seal.KeyName(first + n)
		next.keys[name] = body
		list = append(list, step{seal.CopyDir + "/" + name, body})
		added = append(added, step{name, body})
	}
	after, err := next.derive()
	if err != nil {
		return nil, s.blame(err)
	}
	return append(append(list, added...), step{seal.CopyDir + "/" + seal.ExtrasName, after.extras}, step{seal.ReadmeName, after.readme},
		step{seal.SumsName, after.sums}, step{seal.ExtrasName, after.extras}), nil
}

// undo lists what undoes an interrupted rekey. Of an interrupted signing it undoes what
// follows from the signatures; they stay, each shows itself that it is right.
func (s *driveDir) undo(before derivedFiles) (list []step, err error) {
	if err := s.dir.Mkdir(seal.CopyDir); err != nil {
		return nil, err
	}
	copies, _, err := s.dir.List(seal.CopyDir)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(s.pending)
	for _, f := range copies {
		if s.isPending(f.Name) {
			names = append(names, seal.CopyDir+"/"+f.Name)
		}
	}
	if len(names) == 0 && len(s.unlisted()) == 0 && len(s.adding) == 0 {
		return nil, nil
	}
	list = []step{{seal.SumsName, before.sums}, {seal.ReadmeName, before.readme}, {seal.CopyDir + "/" + seal.ExtrasName, before.extras}}
	for _, name := range names {
		list = append(list, step{name: name})
	}
	return list, nil
}
