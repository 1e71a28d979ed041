package main

import (
	"errors"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
)

type verifyReport struct {
	Dir          string             `json:"dir"`
	Bundle       string             `json:"bundle"`
	Created      time.Time          `json:"created"`
	Stream       *bundle.Stream     `json:"stream,omitempty"`
	Sequence     int                `json:"sequence,omitempty"` // its number in the stream, 1 without one
	Fingerprint  bundle.Fingerprint `json:"fingerprint"`
	Signed       []signerReport     `json:"signed,omitempty"`
	NotEncrypted bool               `json:"notEncrypted,omitempty"`
	OK           bool               `json:"ok"`
	Files        int                `json:"files"`
	Bytes        int64              `json:"bytes"`
	Faults       []faultReport      `json:"faults"`
	Leftovers    []string           `json:"leftovers,omitempty"`
	Rekey        []string           `json:"unfinishedRekey,omitempty"`   // files of a rekey that was interrupted
	Signing      []string           `json:"unfinishedSigning,omitempty"` // files of a signing that was interrupted
	Adding       []string           `json:"unfinishedParity,omitempty"`  // files of an adding of parity that was interrupted
	Parity       string             `json:"parity,omitempty"`            // what parity files can rebuild, such as any 2 of 20 segments
	Remedies     []remedyReport     `json:"remedies,omitempty"`          // what satchel repair can do about the faults; of several drives, see those
	Unlisted     []string           `json:"unlisted,omitempty"`          // signature files that SHA256SUMS does not name
	LineEnds     []string           `json:"lineEnds,omitempty"`          // files whose line ends a copy has changed
	Renamed      bool               `json:"renamed,omitempty"`           // a copy has changed how names are written
	Whole        bool               `json:"whole,omitempty"`             // not ok, but what it carries is whole
	Drives       []oneDrive         `json:"drives,omitempty"`            // of a bundle on several: those that were looked at
	NotLookedAt  []oneDrive         `json:"notLookedAt,omitempty"`       // those that were not
	Rebuildable  []oneDrive         `json:"rebuildable,omitempty"`       // of these, those that satchel repair can make anew from the others
	Beyond       []lostDrive        `json:"notRebuildable,omitempty"`    // those that it cannot, although parity goes across the drives
	Problem      string             `json:"problem,omitempty"`           // of several bundles: what is wrong with this one
	Supplements  string             `json:"supplements,omitempty"`       // it is a supplement: the bundle of which it has what that has lost

	lost   bundle.Lost
	sealed []bundle.SealedFile
	open   []bundle.Remedy // of what may come back with drives that are not here

	stays bool // something cannot be rebuilt
}

type remedyReport struct {
	File  string `json:"file"`
	From  string `json:"from,omitempty"`  // what repair rebuilds it from
	Lost  string `json:"lost,omitempty"`  // why it cannot
	Extra bool   `json:"extra,omitempty"` // it is not of the bundle
	Waits bool   `json:"waits,omitempty"` // it was not rebuilt: the drive has too little room

	Needs []string `json:"needs,omitempty"` // labels of drives that are not here: only with them it shows whether it can be rebuilt
}

func remedies(list []bundle.Remedy) (reports []remedyReport) {
	for _, m := range list {
		reports = append(reports, remedyReport{m.File, m.From, m.Lost, m.Extra, m.Waits, bundle.Labels(m.Away)})
	}
	return reports
}

type faultReport struct {
	File string `json:"file"`
	What string `json:"what"`
}

func faults(list []bundle.Fault) (reports []faultReport) {
	for _, f := range list {
		reports = append(reports, faultReport{f.File, f.What})
	}
	return reports
}

// oneDrive is one drive of several.
type oneDrive struct {
	Drive    int            `json:"drive"`
	Of       int            `json:"of"`
	Label    string         `json:"label"`
	Dir      string         `json:"dir,omitempty"`
	OK       bool           `json:"ok"`
	Problem  string         `json:"problem,omitempty"` // why nothing of it was looked at
	Files    int            `json:"files,omitempty"`
	Bytes    int64          `json:"bytes,omitempty"`
	Faults   []faultReport  `json:"faults,omitempty"`
	Parity   string         `json:"parity,omitempty"` // what its own parity files can rebuild
	Remedies []remedyReport `json:"remedies,omitempty"`
}

func driveOf(d bundle.DriveLabel) oneDrive {
	if d.Number == 0 { // nothing says which one it is
		return oneDrive{Of: d.Of}
	}
	return oneDrive{Drive: d.Number, Of: d.Of, Label: d.Label()}
}

// newVerifyReport is what is printed of a verification that came to its end; err is what is wrong.
func newVerifyReport(r *bundle.Report, err error) *verifyReport {
	rep := &verifyReport{
		Dir: r.Dir, Bundle: r.Bundle, Created: r.Created, Stream: inStream(r.Stream), Sequence: r.Sequence, Fingerprint: r.Fingerprint, Signed: signers(r.Signed), NotEncrypted: r.Plain,
		OK: err == nil, Files: r.Files, Bytes: r.Bytes, Faults: []faultReport{}, Leftovers: r.Leftovers, Rekey: r.UnfinishedRekey, Signing: r.UnfinishedSigning, Adding: r.UnfinishedParity,
		Parity: r.Protection.String(), Remedies: remedies(r.Remedies), Unlisted: r.Unlisted, LineEnds: r.LineEnds, Renamed: r.Renamed, Supplements: r.Supplements, lost: bundle.LostOf(r), sealed: r.Sealed,
	}
	for _, m := range r.Remedies {
		if m.Open() {
			rep.open = append(rep.open, m)
		}
	}
	rep.Faults = append(rep.Faults, faults(r.Faults)...)
	for _, d := range r.Drives {
		one := driveOf(d.DriveLabel)
		one.Dir, one.OK, one.Files, one.Bytes, one.Faults, one.Remedies = d.Dir, d.Err == nil, d.Files, d.Bytes, faults(d.Faults), remedies(d.Remedies)
		if d.Unread() && len(d.Faults) == 0 {
			one.Problem = d.Err.Error()
		}
		if r.Protection.Whole == 0 {
			one.Parity = d.Protection.String()
		}
		rep.Drives = append(rep.Drives, one)
	}
	for _, d := range r.Away {
		rep.NotLookedAt = append(rep.NotLookedAt, driveOf(d))
	}
	for _, d := range r.Rebuildable {
		rep.Rebuildable = append(rep.Rebuildable, driveOf(d))
	}
	for _, d := range r.Beyond {
		rep.Beyond = append(rep.Beyond, lostDrive{Drive: d.Number, Label: d.Label(), Lost: d.Why})
	}
	if damage, ok := errors.AsType[*bundle.DamageError](err); ok {
		rep.Whole = damage.Whole && !slices.ContainsFunc(r.Drives, func(d bundle.DriveReport) bool {
			one, ok := errors.AsType[*bundle.DamageError](d.Err)
			return ok && !one.Whole
		})
	}
	return rep
}
