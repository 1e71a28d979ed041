package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// repairOptions are the flags of repair.
type repairOptions struct {
	to, expect, id, output string
	yes                    bool
	trust                  trustFlags
	source                 sourceOptions
}

func newRepair(a *app) *cobra.Command {
	var o repairOptions
	cmd := &cobra.Command{
		Use:   "repair DIR [DIR ...]",
		Short: "Rebuild what is damaged in a bundle, without a key",
		Long: `repair reads the whole bundle in DIR and lists what is damaged and what can be rebuilt:
segments from parity files, if the bundle has them (pack --parity, satchel parity),
small files from their second copies, and copies from their originals.

Then it asks whether to repair the bundle in place; --yes answers that. Each file is
rebuilt beside the damaged one, read again and compared with the seals before it
takes its place, and nothing else is changed: the bundle never becomes worse. With
--to it leaves DIR as it is and writes the whole bundle, repaired, into another
directory; take that for a drive that is failing, or read-only. If it is interrupted,
run it again.

Of a bundle on several drives, name the directories of all that are there: each is
repaired. If parity goes across the drives (satchel parity, with all drives named), a
whole drive that is lost is made anew: --to DIR says where.

What no parity file brings back, the host that packed the bundle can send after it:
with --from-source it fetches what is lost from the same registries, by digest, and
writes it into DIR as a supplement, a bundle with a fingerprint of its own. --lost is the
list that satchel verify --lost wrote inside, or the damaged bundle, if it came back.
unpack takes the damaged bundle and the supplement together. Like pack, it resumes.`,
		Example: `  satchel repair /run/media/me/drive
  satchel repair --to /srv/bundles/repaired /run/media/me/drive
  satchel repair --to /mnt/new /mnt/drive1 /mnt/drive3
  satchel repair --from-source -c imageset.yaml -r age1... --lost lost.txt /run/media/me/drive`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.source.on {
				return exactly(1, "one directory")(cmd, args)
			}
			return someDirectories(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.source.check(o); err != nil {
				return err
			}
			if o.source.on {
				return o.source.run(cmd, a, o, args[0])
			}
			return runRepair(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.Var(givenValue{&o.to, "DIR"}, "to", "leave the damaged bundle as it is, and write the repaired one, or the drive that is lost, into `DIR`")
	f.BoolVar(&o.yes, "yes", false, "repair in place without asking; with --from-source, do not ask whether DIR is meant where it may not be the drive")
	addExpect(f, &o.expect)
	addTrustFlags(f, &o.trust)
	addBundle(f, &o.id)
	addOutput(cmd, &o.output)
	addSource(cmd, &o.source)
	return cmd
}

// repairReport is what repair has found and done.
type repairReport struct {
	Dir         string             `json:"dir"`
	To          string             `json:"to,omitempty"` // where the repaired bundle is, if not there
	Bundle      string             `json:"bundle"`
	Fingerprint bundle.Fingerprint `json:"fingerprint"`
	Faults      []faultReport      `json:"faults"`
	Remedies    []remedyReport     `json:"remedies"`
	Repaired    bool               `json:"repaired"`          // what could be rebuilt was, and was read again
	Whole       bool               `json:"whole"`             // every byte is as it was written now
	Drives      []repairedDrive    `json:"drives,omitempty"`  // of a bundle on several
	NotHere     []lostDrive        `json:"notHere,omitempty"` // drives that are not here
	Rebuilt     *oneDrive          `json:"rebuilt,omitempty"` // the drive that is in the directory To

	NotEncrypted bool `json:"notEncrypted,omitempty"`

	wholeHere bool // every byte of the drives that are here is as it was written now
}

// repairedDrive is one drive of several.
type repairedDrive struct {
	Drive    int            `json:"drive"`
	Label    string         `json:"label"`
	Dir      string         `json:"dir"`
	Faults   []faultReport  `json:"faults"`
	Remedies []remedyReport `json:"remedies"`

	done bool // what could be rebuilt was
}

// lostDrive is a drive that is not here.
type lostDrive struct {
	Drive  int    `json:"drive"`
	Label  string `json:"label"`
	Lost   string `json:"lost,omitempty"`   // why it cannot be made anew from the others, or not all of it
	Partly bool   `json:"partly,omitempty"` // what is left of it can

	damaged error // it is here, and its seals are lost
}

// repairEnd is what repair prints for machines.
type repairEnd struct {
	ended
	*repairReport
}

func runRepair(ctx context.Context, a *app, o repairOptions, dirs []string) error {
	if err := a.tellMachines(o.output, &ended{}); err != nil { // until there is more to say
		return err
	}
	if o.yes && o.to != "" {
		return usage(errors.New("--to repairs nothing in place, and --yes is for that"), "leave out one of them")
	}
	want, err := o.trust.wanted(o.expect)
	if err != nil {
		return err
	}
	if err := checkRepairTo(o.to, dirs); err != nil {
		return err
	}
	if dirs, err = a.toRepair(ctx, dirs, wanted{want.Expect, o.id, want.Trust}); err != nil {
		return err
	}
	hold, err := bundle.HoldBundle(dirs[0], a.journals(), a.command())
	if as[*bundle.RefusedError](err) {
		return err
	}
	return errors.Join(a.repair(ctx, o, dirs, want), hold.Close())
}

// checkRepairTo refuses to write the repaired bundle into the damaged one, or the other way round.
func checkRepairTo(to string, dirs []string) error {
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		other, oerr := filepath.Abs(to)
		if to == "" || err != nil || oerr != nil {
			continue
		}
		for _, pair := range [][2]string{{abs, other}, {other, abs}} {
			if rel, err := filepath.Rel(pair[0], pair[1]); err == nil && filepath.IsLocal(rel) && rel != "." {
				return usage(fmt.Errorf("--to %s and %s: one is below the other", to, dir), "name a directory elsewhere")
			}
		}
	}
	return nil
}

// toRepair gives the directories of the bundle that is meant. One that has nothing that can be told
// from others is left as it is: repair says what is wrong with it.
func (a *app) toRepair(ctx context.Context, dirs []string, w wanted) ([]string, error) {
	for _, dir := range dirs {
		if list, err := a.found(dir, w); err != nil || len(list) == 0 {
			//lint:ignore nilerr repair itself says what is wrong there
			return dirs, nil
		}
	}
	list, err := a.choose(ctx, dirs, w)
	if as[*bundle.UnfinishedError](err) && len(dirs) > 1 {
		//lint:ignore nilerr the seal may be lost, of which the other drives have copies
		return dirs, nil
	}
	if err == nil && len(list) == 0 {
		list = dirs
	}
	return list, err
}

// repair shows what is damaged, and repairs what can be repaired.
func (a *app) repair(ctx context.Context, o repairOptions, dirs []string, want bundle.Wanted) error {
	total, err := bundle.SealedSize(dirs, want)
	if err != nil {
		total = 0 // its seals are damaged: there is no total to go by
	}
	bar := a.Progress("reading", 0, total)
	set, err := bundle.FindRepairs(ctx, dirs, want, bar.Add)
	bar.End()
	if as[*bundle.DamageError](err) {
		return &beyondRepairError{err, dirs}
	}
	if err != nil {
		return err
	}
	defer func() { _ = set.Close() }() // it was read only
	rep := reportRepair(set)
	err = a.doRepair(ctx, o, set, rep)
	rep.remedies(set)
	if o.output != "table" {
		return errors.Join(err, a.tellMachines(o.output, &repairEnd{repairReport: rep}))
	}
	return errors.Join(err, printRepair(a.stdout, rep))
}

// reportRepair is what is known before anything is written.
func reportRepair(set *bundle.RepairSet) *repairReport {
	rep := &repairReport{Bundle: set.Bundle, Faults: []faultReport{}, Remedies: []remedyReport{}, wholeHere: !set.Damaged() && set.Unfinished() == nil}
	rep.Whole = rep.wholeHere && len(set.Away)+len(set.Lost) == 0
	for _, r := range set.Drives {
		rep.Dir, rep.Fingerprint, rep.NotEncrypted = r.Dir, cmp.Or(r.Fingerprint, rep.Fingerprint), r.Plain
		one := repairedDrive{Drive: r.Drive.Number, Label: r.Label(), Dir: r.Dir, Faults: []faultReport{}, Remedies: []remedyReport{}}
		for _, f := range r.Faults {
			one.Faults = append(one.Faults, faultReport{f.File, f.What})
		}
		if rep.Faults = append(rep.Faults, one.Faults...); r.Drive.Of > 0 {
			rep.Drives = append(rep.Drives, one)
		}
	}
	for _, r := range set.Away {
		d := lostDrive{Drive: r.Drive.Number, Label: r.Label()}
		if list := lostOf(r); len(list) > 0 {
			d.Partly, d.Lost = true, fmt.Sprintf("%s of it, such as %s: %s", text.Count(len(list), "file", "files"), list[0].File, list[0].Lost)
		}
		rep.NotHere = append(rep.NotHere, d)
	}
	for _, d := range set.Lost {
		rep.NotHere = append(rep.NotHere, lostDrive{Drive: d.Number, Label: d.Label(), Lost: d.Why, damaged: d.Err})
	}
	return rep
}

// remedies takes over what was found out, and done, about each file.
func (rep *repairReport) remedies(set *bundle.RepairSet) {
	for i, r := range set.Drives {
		rep.Remedies = append(rep.Remedies, remedies(r.Remedies)...)
		if len(rep.Drives) > 0 {
			rep.Drives[i].Remedies = append(rep.Drives[i].Remedies, remedies(r.Remedies)...)
		}
	}
}

func (a *app) doRepair(ctx context.Context, o repairOptions, set *bundle.RepairSet, rep *repairReport) error {
	switch {
	case o.to != "":
		return a.repairInto(ctx, o.to, set, rep)
	case !set.Damaged() && len(set.Away)+len(set.Lost) > 0 && len(set.Drives) > 1:
		return notHere(set)
	case !set.Damaged():
		return set.Unfinished()
	case !canRepair(set):
		return lostError(set)
	case !o.yes:
		agreed, err := a.agreeRepair(ctx, set)
		if err != nil {
			return err
		}
		if !agreed {
			return &notRepairedError{&bundle.DamageError{Dir: rep.Dir, Faults: faultsOf(set)}}
		}
	}
	bar := a.Progress("repairing", 0, set.Work())
	err := notInPlace(set.InPlace(ctx, bar.Add), o.yes)
	bar.End()
	rep.took(set)
	for _, r := range set.Drives {
		if r.Done {
			err = errors.Join(err, bundle.Release(r.Dir))
		}
	}
	if !rep.Repaired {
		return err
	}
	rep.wholeHere = err == nil
	rep.Whole = rep.wholeHere && len(set.Away)+len(set.Lost) == 0
	if err == nil && len(set.Away)+len(set.Lost) > 0 && len(set.Drives) > 1 {
		err = notHere(set)
	}
	return err
}

// took notes which drives were repaired to their end.
func (rep *repairReport) took(set *bundle.RepairSet) {
	rep.Repaired = true
	for i, r := range set.Drives {
		if len(rep.Drives) > 0 {
			rep.Drives[i].done = r.Done || slices.ContainsFunc(r.Remedies, func(m bundle.Remedy) bool { return m.Waits })
		}
		rep.Repaired = rep.Repaired && (r.Done || len(r.Remedies) == 0)
	}
}

// repairInto writes one drive, or the bundle of one, into another directory.
func (a *app) repairInto(ctx context.Context, to string, set *bundle.RepairSet, rep *repairReport) error {
	r, err := set.Target()
	if err == nil {
		to, err = r.Place(to)
	}
	if err != nil {
		return err
	}
	bar := a.Progress("writing", 0, r.Size)
	err = r.Into(ctx, to, bar.Add)
	bar.End()
	rep.To = to
	if err != nil && !as[*bundle.RepairError](err) && !notEnded(err) {
		return err
	}
	rep.Repaired, rep.Whole = true, err == nil && len(set.Lost) == 0
	for _, other := range slices.Concat(set.Drives, set.Away) {
		rep.Whole = rep.Whole && (other == r || other.Dir != "" && len(other.Remedies) == 0)
	}
	if r.Drive.Of > 0 {
		one := driveOf(r.Drive)
		one.Dir, one.OK, one.Remedies = to, err == nil, nil
		if rep.Rebuilt = &one; err != nil {
			one.Remedies = remedies(lostOf(r))
		}
	}
	err = errors.Join(err, bundle.Release(to))
	if err == nil {
		err = leftOf(set, r)
	}
	return err
}

// leftOf is what is wrong still with a bundle of which one drive was written into another directory.
func leftOf(set *bundle.RepairSet, done *bundle.Repair) (err error) {
	for _, r := range set.Drives {
		if r != done && len(r.Remedies) > 0 {
			err = errors.Join(err, &otherDamagedError{r.Drive, &bundle.DamageError{Dir: r.Dir, Faults: r.Faults}})
		}
	}
	if len(set.Drives) == 1 { // the others were not named
		return err
	}
	left := *set
	left.Away = slices.DeleteFunc(slices.Clone(set.Away), func(r *bundle.Repair) bool { return r == done })
	if len(left.Away)+len(left.Lost) > 0 {
		err = errors.Join(err, notHere(&left))
	}
	return err
}

// otherDamagedError is of a drive that stays damaged, because another one was written elsewhere.
type otherDamagedError struct {
	drive bundle.DriveLabel
	*bundle.DamageError
}

func (e *otherDamagedError) Error() string {
	return fmt.Sprintf("%s, in %s, is damaged still: %s, such as %s", e.drive, e.Dir, text.Count(len(e.Faults), "fault", "faults"), e.Faults[0])
}

// Unwrap is the damage.
func (e *otherDamagedError) Unwrap() error { return e.DamageError }

// Hint says what to do now.
func (e *otherDamagedError) Hint() string {
	return "--to writes one drive: name all drives that are there now, without --to (satchel repair)"
}

// lostOf gives the files of a drive that cannot be rebuilt, those too that may be with drives that are not here.
func lostOf(r *bundle.Repair) (list []bundle.Remedy) {
	for _, m := range r.Remedies {
		if m.Lost != "" || m.Open() {
			list = append(list, m)
		}
	}
	return list
}

// canRepair reports whether anything can be rebuilt in place.
func canRepair(set *bundle.RepairSet) bool {
	return slices.ContainsFunc(set.Drives, func(r *bundle.Repair) bool { return len(lostOf(r)) < len(r.Remedies) })
}

// lostError says that nothing of what is damaged can be rebuilt.
func lostError(set *bundle.RepairSet) (err error) {
	for _, r := range set.Drives {
		err = cmp.Or(err, bundle.LostError(r.Dir, r.Remedies))
	}
	return err
}

func faultsOf(set *bundle.RepairSet) (list []bundle.Fault) {
	for _, r := range set.Drives {
		list = append(list, r.Faults...)
	}
	return list
}

// notHere says that drives are not here, or that their seals are lost, of a bundle of which nothing else is damaged.
func notHere(set *bundle.RepairSet) error {
	dirs := []string{}
	for _, r := range set.Drives {
		dirs = append(dirs, r.Dir)
	}
	for _, d := range set.Lost {
		if damage, ok := errors.AsType[*bundle.DamageError](d.Err); ok {
			return &beyondRepairError{d.Err, append(dirs, damage.Dir)}
		}
		if d.Err != nil {
			return d.Err
		}
	}
	e := &notHereError{AwayError: &bundle.AwayError{}}
	for _, r := range set.Away {
		e.Drives = append(e.Drives, r.Drive)
	}
	e.anew = len(set.Lost) == 0 && !slices.ContainsFunc(set.Away, func(r *bundle.Repair) bool { return len(lostOf(r)) > 0 })
	for _, d := range set.Lost {
		e.Drives = append(e.Drives, d.DriveLabel)
	}
	return e
}

// beyondRepairError is damage for which repair does not know what the bundle must be.
type beyondRepairError struct {
	error
	dirs []string // that were looked at
}

// Unwrap is the damage.
func (e *beyondRepairError) Unwrap() error { return e.error }

// Hint says what to do now.
func (e *beyondRepairError) Hint() string {
	return "repair cannot bring that back: read the drive on another host, or take another copy of the bundle; or the host that packed it makes a supplement, by a list of what is lost (satchel verify --lost FILE " + shellWords(e.dirs) + ")"
}

// notHereError is of drives that are not here; anew says that they can be made anew.
type notHereError struct {
	*bundle.AwayError
	anew bool
}

// Unwrap is the drives that are away.
func (e *notHereError) Unwrap() error { return e.AwayError }

// Hint says what to do now.
func (e *notHereError) Hint() string {
	if e.anew {
		return "if it is lost, satchel repair --to NEW and the directories of the others make it anew, in NEW, a new or empty directory"
	}
	return "" // that of the drives that are away is given
}

// notInPlace adds what to do where the drive does not take what was rebuilt.
func notInPlace(err error, yes bool) error {
	if as[*bundle.SpaceError](err) || as[*bundle.DriveError](err) {
		return &elsewhereError{err, yes}
	}
	return err
}

// elsewhereError is a drive that is full or cannot be written to.
type elsewhereError struct {
	error
	yes bool // --yes was given
}

// Unwrap is why.
func (e *elsewhereError) Unwrap() error { return e.error }

// Hint says what to do now.
func (e *elsewhereError) Hint() string {
	hint := "or leave the drive as it is, and write it, repaired, into another directory: the same command with --to DIR"
	if e.yes {
		hint += ", without --yes"
	}
	return hint
}

// notEnded reports whether all files are what they were made, by a run that did not get to its end.
func notEnded(err error) bool {
	return as[*bundle.RekeyError](err) || as[*bundle.SigningError](err) || as[*bundle.ParityError](err)
}

// notRepairedError is damage that was listed, and left.
type notRepairedError struct{ *bundle.DamageError }

// Error says it in one line: the faults are listed already.
func (e *notRepairedError) Error() string {
	return "nothing was repaired in " + e.Dir + ", and " + text.Count(len(e.Faults), "fault was", "faults were") + " found"
}

// Unwrap is the damage.
func (e *notRepairedError) Unwrap() error { return e.DamageError }

// Hint says what to do now.
func (e *notRepairedError) Hint() string {
	return "the same command with --yes repairs it in place; with --to DIR it writes the repaired bundle into another directory"
}

// agreeRepair asks whether to repair in place, if somebody is there who can be asked.
func (a *app) agreeRepair(ctx context.Context, set *bundle.RepairSet) (bool, error) {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || a.machines() {
		return false, nil
	}
	p := &printer{w: a.stderr}
	var dirs []string
	for _, r := range set.Drives {
		if len(r.Remedies) > 0 {
			p.remedies(remedies(r.Remedies), ofDrive(r.Drive.Number))
			dirs = append(dirs, r.Dir)
		}
	}
	if p.err != nil {
		return false, p.err
	}
	agreed, err := a.ui(ctx).Confirm("Repair the bundle in "+text.And(dirs)+"?", "yes", "no")
	if errors.Is(err, bundle.ErrNoTerminal) {
		return false, nil
	}
	return agreed, err
}

// ofDrive begins what is said of a drive of several.
func ofDrive(number int) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("drive %d: ", number)
}

// remedies prints what can be done about each file; of says which drive it is on.
func (p *printer) remedies(list []remedyReport, of string) {
	for _, m := range list {
		switch {
		case m.Extra:
			p.printf("extra        %s%s (%s)\n", of, m.File, m.Lost)
		case m.Lost != "":
			p.printf("LOST         %s%s (%s)\n", of, m.File, m.Lost)
		case len(m.Needs) > 0:
			p.printf("with others  %s%s (only with %s there it can be rebuilt, if enough of the group is whole)\n", of, m.File, text.And(m.Needs))
		default:
			p.printf("repairable   %s%s (by satchel repair, from %s)\n", of, m.File, m.From)
		}
	}
}

// done prints what was done about each file.
func (p *printer) done(list []remedyReport, of string) {
	for _, m := range list {
		switch {
		case m.Extra:
			p.printf("extra        %s%s (%s)\n", of, m.File, m.Lost)
		case m.Lost != "":
			p.printf("LOST         %s%s (%s)\n", of, m.File, m.Lost)
		case len(m.Needs) > 0:
			p.printf("with others  %s%s (only with %s there it can be rebuilt, if enough of the group is whole)\n", of, m.File, text.And(m.Needs))
		case m.Waits:
			p.printf("repairable   %s%s (by satchel repair, from %s, with more room on the drive)\n", of, m.File, m.From)
		default:
			p.printf("rebuilt      %s%s (from %s)\n", of, m.File, m.From)
		}
	}
}

// unversioned reports whether a file was made anew that is not byte for byte what it was.
func (rep *repairReport) unversioned() bool {
	return slices.ContainsFunc(rep.Remedies, func(m remedyReport) bool { return m.From == bundle.FromNames })
}

func printRepair(w io.Writer, r *repairReport) error {
	p := &printer{w: w}
	p.printf("bundle       %s\n", r.Bundle)
	if r.Fingerprint != "" {
		p.printf("fingerprint  %s\n", r.Fingerprint.Grouped())
	}
	p.encryption(r.NotEncrypted)
	drives := r.Drives
	if len(drives) == 0 {
		drives = []repairedDrive{{Faults: r.Faults, Remedies: r.Remedies, done: r.Repaired}}
	}
	for _, d := range drives {
		of := ofDrive(d.Drive)
		for _, f := range d.Faults {
			p.printf("FAULT        %s%s %s\n", of, f.File, f.What)
		}
		if d.done || r.Rebuilt != nil && r.Rebuilt.Drive == d.Drive {
			p.done(d.Remedies, of)
		} else {
			p.remedies(d.Remedies, of)
		}
	}
	for _, d := range r.NotHere {
		switch {
		case r.Rebuilt != nil && r.Rebuilt.Drive == d.Drive:
			p.done(r.Rebuilt.Remedies, ofDrive(d.Drive))
			if d.Drive == r.Rebuilt.Of {
				p.printf("signatures   of the bundle: those that it had when parity was added; one that was added later is not among them: sign it again\n")
			}
		case d.Partly:
			p.printf("in part      drive %d, %s, if it does not come back: without %s (satchel repair --to DIR writes the rest of it)\n", d.Drive, d.Label, d.Lost)
		case d.damaged != nil:
			p.printf("LOST         drive %d, %s: %s\n", d.Drive, d.Label, d.damaged)
		case d.Lost != "":
			p.printf("not here     drive %d, %s (it cannot be made anew: %s)\n", d.Drive, d.Label, d.Lost)
		default:
			p.printf("repairable   drive %d, %s, the whole of it, from the others (by satchel repair --to DIR)\n", d.Drive, d.Label)
		}
	}
	switch {
	case r.Rebuilt != nil && r.Repaired && !r.Rebuilt.OK:
		p.printf("written to   %s: drive %d of %d, %s, and not all of it\n", text.Printable(r.To), r.Rebuilt.Drive, r.Rebuilt.Of, r.Rebuilt.Label)
	case r.Rebuilt != nil && r.Repaired:
		p.printf("written to   %s: drive %d of %d, %s: write that on it\n", text.Printable(r.To), r.Rebuilt.Drive, r.Rebuilt.Of, r.Rebuilt.Label)
	case r.To != "" && r.Repaired:
		p.printf("written to   %s\n", text.Printable(r.To))
	}
	switch {
	case (r.Whole || r.wholeHere) && r.unversioned():
		p.printf("all is whole; extras.json and SHA256SUMS are without the version of satchel that wrote them\n")
	case r.Rebuilt != nil && r.Rebuilt.OK:
		p.printf("every byte of it is as it was written\n")
	case r.Whole:
		p.printf("every byte is as it was written\n")
	case r.wholeHere && r.To == "" && len(r.Drives) == 1:
		p.printf("every byte of this drive is as it was written\n")
	case r.wholeHere && r.To == "":
		p.printf("every byte of these drives is as it was written\n")
	}
	return p.err
}
