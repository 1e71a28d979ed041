package bundle

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Report is what Verify found.
type Report struct {
	Dir               string // of the last drive, if that is here
	Bundle            string
	Created           time.Time // when it was sealed; zero without the last drive
	Stream            Stream    // that it belongs to, the zero value if to none
	Sequence          int
	Fingerprint       Fingerprint   // of the seal; "" if only its second copy can be read, or the last drive is not here
	Supplements       string        // the ID of the damaged bundle that it supplements; "" for none
	Plain             bool          // it is not encrypted
	Files             int           // files of the bundle that were looked at
	Bytes             int64         // in them
	Faults            []Fault       // of all drives
	Remedies          []Remedy      // what can be done about them, where the seals can be read
	Leftovers         []string      // temporary files of a crash; harmless
	UnfinishedRekey   []string      // key files of a rekey that was interrupted
	UnfinishedSigning []string      // signatures of a signing that was interrupted
	UnfinishedParity  []string      // files of an adding of parity that was interrupted
	Protection        Protection    // what parity files can rebuild, in a bundle of one drive, or where parity goes across all
	Signed            []Signed      // who has signed it; without principals: nobody has asked whose key it is, or it does not count
	Unlisted          []string      // signature files that extras.json and SHA256SUMS do not name
	LineEnds          []string      // files whose line ends a copy has changed
	Renamed           bool          // a copy has changed how names are written; they are understood
	Drives            []DriveReport // that were looked at, by number; nil for a bundle of one drive
	Away              []DriveLabel  // that were not looked at
	Rebuildable       []DriveLabel  // those of them that can be made anew from parity
	Beyond            []LostDrive   // those that cannot, or not all of it, although parity goes across the drives
}

// DriveReport is what [Verify] found of one drive of several. Its number is 0 if nothing says which drive it is.
type DriveReport struct {
	DriveLabel
	Dir        string
	Files      int
	Bytes      int64
	Faults     []Fault
	Remedies   []Remedy
	Protection Protection // what its parity files can rebuild
	Err        error      // nil for a drive that is whole
}

// opened are the drives that a verification looks at.
type opened struct {
	last   *seals // nil if the last drive is not here, or its seal cannot be read
	drives []*driveDir
	broken []DriveReport // of drives whose seals cannot be read: nothing else of them is known
	names  []DriveLabel  // of all drives of a bundle of several

	trusted []Signed // without the last drive: who is trusted and has signed the drive that was looked at last
}

// openToVerify opens the drives in dirs.
func openToVerify(dirs []string, want Wanted) (*opened, error) {
	all, err := locateAll(dirs)
	if err != nil {
		return nil, err
	}
	all, rest := apart(all)
	at, err := together(all)
	if err != nil {
		return nil, err
	}
	o := &opened{names: at.names()}
	o.addRest(rest, at)
	if err := o.open(at, want); err != nil {
		return nil, also(err, o.close())
	}
	slices.SortFunc(o.drives, func(a, b *driveDir) int { return cmp.Compare(a.drive.Drive, b.drive.Drive) })
	findOddParity(o.drives)
	return o, nil
}

// apart takes out directories that cannot be opened, and are drives of the same bundle all the same, or may be: those of
// which nothing says which drive they are, and copies that did not come to their end.
func apart(all []location) (whole, rest []location) {
	for _, p := range all {
		if p.id == "" || p.copying {
			rest = append(rest, p)
		} else {
			whole = append(whole, p)
		}
	}
	if !slices.ContainsFunc(whole, func(p location) bool { return p.of > 1 }) || slices.ContainsFunc(rest, func(p location) bool { return p.copying && p.id != whole[0].id }) {
		return all, nil
	}
	return whole, rest
}

// addRest notes such drives. Of one alone without a name, the drives that are not here may say which it is.
func (o *opened) addRest(list []location, at located) {
	here, unnamed := map[int]bool{}, 0
	for _, p := range slices.Concat(at.earlier, list) {
		if here[p.drive] = true; p.id == "" {
			unnamed++
		}
	}
	if at.last != nil {
		here[at.last.drive] = true
	}
	for _, p := range list {
		if p.copying {
			err := &UnfinishedError{Dir: p.dir, Copy: true}
			o.broken = append(o.broken, DriveReport{DriveLabel: DriveLabel{p.id, p.drive, p.of}, Dir: p.dir, Err: err})
			continue
		}
		is := DriveLabel{o.names[0].Bundle, 0, o.names[0].Of}
		if away := notHere(is.Bundle, is.Of, here); len(away) == 1 && unnamed == 1 {
			is = away[0]
		}
		faults := []Fault{{seal.DriveName, "cannot be read, nor its second copy, so that nothing says which drive it is"}}
		o.broken = append(o.broken, DriveReport{DriveLabel: is, Dir: p.dir, Faults: faults, Err: &DamageError{Dir: p.dir, Faults: faults}})
	}
}

// open opens each drive. One that is too damaged keeps nobody from looking at the others.
func (o *opened) open(at located, want Wanted) error {
	if at.last == nil && want.Expect != "" {
		return at.noLast("the fingerprint is compared on the last drive")
	}
	var of *seal.Bundle
	if at.last != nil {
		s, err := sealsToVerify(*at.last, want)
		if err := o.add(*at.last, err, len(at.earlier) > 0); err != nil {
			return err
		}
		if s != nil {
			o.last, o.drives, of = s, append(o.drives, s.driveDir), &s.bundle
		}
	}
	for _, p := range at.earlier {
		s, err := openDrive(p, of)
		if err := o.add(p, err, true); err != nil {
			return err
		}
		if s == nil {
			continue
		}
		o.drives = append(o.drives, s)
		if o.last == nil && want.Trust != nil {
			if o.trusted, err = s.trusts(want.Trust); err != nil {
				return err
			}
		}
	}
	return nil
}

// add notes damage that kept a drive from being opened, if there are others to look at.
func (o *opened) add(p location, err error, others bool) error {
	damage, ok := errors.AsType[*DamageError](err)
	if !ok || !others {
		return err
	}
	o.broken = append(o.broken, DriveReport{DriveLabel: DriveLabel{p.id, p.drive, p.of}, Dir: damage.Dir, Faults: damage.Faults, Err: err})
	return nil
}

func (o *opened) close() (err error) {
	for _, d := range o.drives {
		err = errors.Join(err, d.dir.Close())
	}
	return err
}

// names are all drives of the bundle, nil for a bundle of one.
func (at located) names() (list []DriveLabel) {
	all := slices.Clone(at.earlier)
	if at.last != nil {
		all = append(all, *at.last)
	}
	of := slices.MaxFunc(all, func(a, b location) int { return cmp.Compare(a.of, b.of) })
	for n := 1; n <= of.of; n++ {
		list = append(list, DriveLabel{of.id, n, of.of})
	}
	return list
}

// SealedSize gives the bytes that [Verify] will read, for a progress bar.
func SealedSize(dirs []string, want Wanted) (n int64, err error) {
	o, err := openToVerify(dirs, want)
	if err != nil {
		return 0, err
	}
	for _, d := range o.drives {
		for _, f := range d.files() {
			n += f.Size
		}
	}
	return n, o.close()
}

// CheckSizes compares the seals of the bundle in dirs with each other, the small files that
// follow from them with what they must be, and the names and sizes of all others with the
// seals. It reads no segment. Of several drives the last one must be here, and those that are
// not are not looked at. Errors are those of [Verify].
func CheckSizes(ctx context.Context, dirs []string, want Wanted) error {
	s, err := openSeals(dirs, want)
	if err != nil {
		return err
	}
	var found error
	for _, d := range s.drives() {
		v := verification{driveDir: d}
		v.checkSmall(ctx)
		if err := cmp.Or(ctx.Err(), v.away); err != nil {
			return errors.Join(err, s.close())
		}
		found = also(found, v.outcome())
	}
	if err := s.close(); err != nil {
		return err
	}
	return found
}

// Verify checks every byte of the bundle in dirs, without a key, on all cores and
// in constant memory. Of several drives each is checked by its own seal, and if the last one is
// here, by the bundle's; one alone may be any of them. Faults are listed in the report, all of them; the error is
// a *[DamageError] if there is any, a *[CopyError] if a copy has changed line ends or
// names, a *[RekeyError], *[SigningError] or *[ParityError] if all that is wrong is a rekey, a signing or an adding of parity that did not get to its end, an *[AwayError] if
// all that is wrong is that several drives are here and not all; an *[UnfinishedError], *[NoBundleError],
// *[NeedsError], *[FingerprintError] or *[TrustError] if there was nothing to check.
func Verify(ctx context.Context, dirs []string, opts VerifyOptions) (*Report, error) {
	o, err := openToVerify(dirs, Wanted{Expect: opts.Expect, Trust: opts.Trust})
	if damage, ok := errors.AsType[*DamageError](err); ok {
		return &Report{Dir: damage.Dir, Faults: damage.Faults}, err
	}
	if err != nil {
		return nil, err
	}
	r, found, err := o.verify(ctx, opts)
	if err := errors.Join(err, o.close()); err != nil {
		return nil, err
	}
	return r, found
}

// verify looks at each drive. found is what is wrong with the bundle; err is why it is not known.
func (o *opened) verify(ctx context.Context, opts VerifyOptions) (r *Report, found, err error) {
	r = &Report{}
	o.describe(r)
	for _, d := range o.drives {
		v := verification{driveDir: d, opts: opts, suspects: map[string]bool{}}
		for _, f := range d.faults {
			v.suspects[f.File] = true
		}
		if err := v.run(ctx); err != nil {
			return nil, nil, err
		}
		wrong := v.outcome()
		r.add(&v, wrong)
		found = also(found, wrong)
	}
	if begun := o.rekeyed(); begun != nil && len(r.UnfinishedRekey) == 0 {
		r.UnfinishedRekey, found = begun.Files, also(found, begun)
	}
	all, err := diagnoseDrives(ctx, o.drives, len(o.names), nil)
	if err != nil {
		return nil, nil, err
	}
	for i := range r.Drives {
		if d := all.here[max(1, r.Drives[i].Number)]; d != nil {
			r.Drives[i].Remedies = d.remedies
			r.Remedies = append(r.Remedies, d.remedies...)
		}
	}
	for _, b := range o.broken {
		found = also(found, b.Err)
		r.Faults, r.Drives = append(r.Faults, b.Faults...), append(r.Drives, b)
	}
	if len(o.names) == 0 {
		r.Drives = nil
	} else if r.Protection.Whole == 0 {
		r.Protection = Protection{} // each drive has its own
	}
	slices.SortFunc(r.Drives, func(a, b DriveReport) int { return cmp.Compare(a.Number, b.Number) })
	for _, name := range o.names {
		if !slices.ContainsFunc(r.Drives, func(d DriveReport) bool { return d.Number == name.Number }) {
			r.Away = append(r.Away, name)
		}
		switch why := all.why[name.Number]; {
		case all.here[name.Number] != nil:
		case all.away[name.Number] != nil && why == "":
			r.Rebuildable = append(r.Rebuildable, name)
		case why != "" && why != tooManyAway && r.Protection.Whole > 0:
			r.Beyond = append(r.Beyond, LostDrive{name, why})
		}
	}
	if found == nil && len(r.Away) > 0 && len(r.Drives) > 1 {
		found = &AwayError{Drives: r.Away}
	}
	return r, found, nil
}

// rekeyed finds a rekey that was interrupted between two drives: each is whole, and the newest key file is not on all
// of them. Older ones may differ: a rekey that completes an interrupted one leaves what that had added.
func (o *opened) rekeyed() *RekeyError {
	newest, on := 0, map[int]int{}
	for _, d := range o.drives {
		if d.extras.Bundle == "" { // it is damaged, which is said
			return nil
		}
		for _, f := range d.extras.Files {
			n := seal.KeyNumber(f.Name)
			newest, on[n] = max(newest, n), on[n]+1
		}
	}
	if newest == 0 || on[newest] == len(o.drives) {
		return nil
	}
	e := &RekeyError{Files: []string{seal.KeyName(newest)}}
	for _, d := range o.drives {
		if !slices.ContainsFunc(d.extras.Files, func(f seal.File) bool { return f.Name == seal.KeyName(newest) }) {
			e.Dir, e.Lacking = d.dir.Path(), append(e.Lacking, DriveLabel{d.drive.Bundle, d.drive.Drive, d.drive.Of})
		}
	}
	return e
}

// describe says which bundle it is.
func (o *opened) describe(r *Report) {
	if o.last == nil { // then an earlier one is here, which says how many there are
		r.Bundle, r.Signed = o.names[0].Bundle, o.trusted
		return
	}
	r.Dir, r.Bundle, r.Created, r.Fingerprint = o.last.dir.Path(), o.last.bundle.Bundle, o.last.bundle.Created, o.last.finger
	r.Supplements = supplements(o.last.bundle)
	r.Stream, r.Sequence, r.Signed = streamOf(o.last.bundle), o.last.bundle.Sequence, o.last.signed()
	if o.last.second {
		r.Fingerprint = "" // a copy alone shows nothing of that
	}
}

// add takes in what was found on one drive.
func (r *Report) add(v *verification, err error) {
	r.Dir = cmp.Or(r.Dir, v.dir.Path())
	r.Files, r.Bytes = r.Files+v.files, r.Bytes+v.bytes
	r.Faults, r.Leftovers = append(r.Faults, v.faults...), append(r.Leftovers, v.temps...)
	r.UnfinishedRekey, r.UnfinishedSigning = append(r.UnfinishedRekey, v.pending...), append(r.UnfinishedSigning, v.signing...)
	r.LineEnds, r.Unlisted, r.Renamed = append(r.LineEnds, v.crlf...), append(r.Unlisted, v.unlisted()...), r.Renamed || v.renamed
	r.UnfinishedParity, r.Plain, r.Protection = append(r.UnfinishedParity, v.adding...), r.Plain || v.plain(), v.protection()
	r.Drives = append(r.Drives, DriveReport{
		DriveLabel: DriveLabel{v.drive.Bundle, v.drive.Drive, v.drive.Of}, Dir: v.dir.Path(), Files: v.files, Bytes: v.bytes, Faults: v.faults, Protection: r.Protection, Err: err,
	})
}

// also adds an error to those there are; one alone stays what it is.
func also(err, more error) error {
	if err == nil || more == nil {
		return cmp.Or(err, more)
	}
	return errors.Join(err, more)
}
