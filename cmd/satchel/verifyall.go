package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// foundDrives is a bundle, with all its drives that are here.
type foundDrives struct {
	bundle.Found // of its last drive
	more         []bundle.Found
}

func (f foundDrives) dirs() []string {
	list := []string{f.Dir}
	for _, d := range f.more {
		list = append(list, d.Dir)
	}
	return list
}

// unfinished reports whether there is nothing to look at. Beside a copy that did not come to its end, other drives may be
// whole.
func (f foundDrives) unfinished() bool {
	e, ok := errors.AsType[*bundle.UnfinishedError](f.Err)
	return ok && (!e.Copy || len(f.more) == 0)
}

// toVerify lists the bundles in dirs.
func (a *app) toVerify(dirs []string, w wanted) (list []foundDrives, err error) {
	var all []bundle.Found
	w = byID(dirs, w)
	for _, dir := range dirs {
		found, err := a.found(dir, w)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 && len(dirs) > 1 {
			return nil, &bundle.NoBundleError{Dir: dir}
		}
		for _, f := range found {
			if !slices.ContainsFunc(all, func(o bundle.Found) bool { return o.Dir == f.Dir }) {
				all = append(all, f)
			}
		}
	}
	for _, found := range eachDriveOnce(a.leaveLeftOvers(all)) {
		one, more := together(found)
		for _, f := range one {
			list = append(list, foundDrives{f, more[f.Dir]})
		}
	}
	return withUnnamed(list), nil
}

// withUnnamed takes directories of which nothing says what they are for damaged drives of the only bundle there is, if
// that is on several drives and not all of them are here.
func withUnnamed(list []foundDrives) []foundDrives {
	i := slices.IndexFunc(list, func(f foundDrives) bool { return f.Bundle != "" })
	if i < 0 || list[i].Of <= 1+len(list[i].more) || slices.ContainsFunc(list, func(f foundDrives) bool { return f.Bundle != "" && f.Dir != list[i].Dir }) {
		return list
	}
	set := list[i]
	for _, f := range list {
		if f.Bundle == "" {
			set.more = append(set.more, f.Found)
		}
	}
	return []foundDrives{set}
}

// driveReport is what verify prints of several bundles.
type driveReport struct {
	Dir     string         `json:"dir"`
	OK      bool           `json:"ok"` // all are
	Bundles []verifyReport `json:"bundles"`
	NotHere []oneDrive     `json:"notHere,omitempty"` // drives of these bundles that are in none of the directories
}

// verifyAll checks all bundles of dirs, also after one that is not whole.
func (a *app) verifyAll(ctx context.Context, dirs []string, list []foundDrives, want bundle.Wanted, output string) error {
	rep := driveReport{Dir: dirs[0], OK: true}
	var errs []error
	for _, f := range list {
		var one *verifyReport
		err := f.Err // an unfinished one says who writes it
		if !f.unfinished() {
			a.warnInUse(f.Found)
			one, err = a.verify(ctx, f.dirs(), want)
			if away := (*bundle.AwayError)(nil); one != nil && errors.As(err, &away) && away.Why == "" {
				one.OK, err = true, nil // the drive may be here in another directory: see below
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if one == nil {
			one = &verifyReport{Dir: f.Dir, Bundle: f.Bundle, Created: f.Created, Faults: []faultReport{}}
		}
		if err != nil {
			one.Problem, rep.OK = err.Error(), false
			errs = append(errs, err)
		}
		rep.Bundles = append(rep.Bundles, *one)
	}
	if away := awayOf(list); len(away) > 0 {
		for _, d := range away {
			rep.NotHere = append(rep.NotHere, driveOf(d))
		}
		if len(dirs) > 1 { // a single directory may be that of one drive
			rep.OK, errs = false, append(errs, awayEach(away)...)
		}
	}
	if output != "table" {
		return errors.Join(append(errs, a.tellMachines(output, &verifiedAll{driveReport: rep}))...)
	}
	for _, one := range rep.Bundles {
		if err := printOne(a.stdout, one); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	_, err := fmt.Fprintln(a.stdout, rep.summary())
	return errors.Join(append(errs, err)...)
}

// summary is the last line of a report of several bundles.
func (r driveReport) summary() string {
	var bad []string
	for _, one := range r.Bundles {
		if !one.OK {
			bad = append(bad, text.Printable(one.Dir))
		}
	}
	var away string
	some := slices.ContainsFunc(r.Bundles, func(one verifyReport) bool { return len(one.NotLookedAt) > 0 })
	for _, d := range r.NotHere {
		away += fmt.Sprintf("\nnot here     drive %d of %d, %s", d.Drive, d.Of, d.Label)
	}
	switch {
	case len(bad) > 0:
		return fmt.Sprintf("%d of %d bundles are as they were written; see FAULT or PROBLEM of %s", len(r.Bundles)-len(bad), len(r.Bundles), text.Some(bad, mostListed)) + away
	case away != "" || some:
		return "what is here is as it was written, and not all drives are here" + away
	}
	return fmt.Sprintf("all %d bundles are as they were written", len(r.Bundles))
}

// eachDriveOnce splits directories into lists of which none has a drive of a bundle twice: what
// is there again comes in the next list.
func eachDriveOnce(all []bundle.Found) (lists [][]bundle.Found) {
	type drive struct {
		bundle string
		number int
	}
	times := map[drive]int{}
	for _, f := range all {
		n := 0
		if f.Of > 0 {
			d := drive{f.Bundle, f.Drive}
			n = times[d]
			times[d]++
		}
		if n >= len(lists) {
			lists = append(lists, nil)
		}
		lists[n] = append(lists[n], f)
	}
	return lists
}

// awayOf gives the drives that bundles of several have, and that are in none of the directories.
func awayOf(list []foundDrives) (away []bundle.DriveLabel) {
	here := map[bundle.DriveLabel]bool{}
	for _, f := range list {
		for _, d := range append([]bundle.Found{f.Found}, f.more...) {
			here[bundle.DriveLabel{Bundle: d.Bundle, Number: d.Drive, Of: d.Of}] = true
		}
	}
	for _, f := range list {
		for n := 1; n <= f.Of; n++ {
			if d := (bundle.DriveLabel{Bundle: f.Bundle, Number: n, Of: f.Of}); !here[d] {
				here[d], away = true, append(away, d) // said once
			}
		}
	}
	return away
}

// awayEach says of each bundle which of its drives are not here.
func awayEach(away []bundle.DriveLabel) (errs []error) {
	for len(away) > 0 {
		id := away[0].Bundle
		n := slices.IndexFunc(away, func(d bundle.DriveLabel) bool { return d.Bundle != id })
		if n < 0 {
			n = len(away)
		}
		errs = append(errs, &bundle.AwayError{Drives: away[:n:n]})
		away = away[n:]
	}
	return errs
}
