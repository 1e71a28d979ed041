package bundle

import (
	"cmp"
	"time"
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
	Sealed            []SealedFile  // what the seals of the drives that were looked at say of their files
	Beyond            []LostDrive   // those that cannot, or not all of it, although parity goes across the drives
}

// SealedFile is a file of a bundle, as the seal of its drive has it.
type SealedFile struct {
	Drive  int    `json:"drive"` // 1 in a bundle of one
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal
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

// Unread reports whether nothing of the drive could be looked at.
func (d DriveReport) Unread() bool { return d.Files == 0 && d.Err != nil }

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
	for _, f := range v.driveDir.files() {
		r.Sealed = append(r.Sealed, SealedFile{max(1, v.drive.Drive), f.Name, f.Size, f.SHA256})
	}
	r.Faults, r.Leftovers = append(r.Faults, v.faults...), append(r.Leftovers, v.temps...)
	r.UnfinishedRekey, r.UnfinishedSigning = append(r.UnfinishedRekey, v.pending...), append(r.UnfinishedSigning, v.signing...)
	r.LineEnds, r.Unlisted, r.Renamed = append(r.LineEnds, v.crlf...), append(r.Unlisted, v.unlisted()...), r.Renamed || v.renamed
	r.UnfinishedParity, r.Plain, r.Protection = append(r.UnfinishedParity, v.adding...), r.Plain || v.plain(), v.protection()
	r.Drives = append(r.Drives, DriveReport{
		DriveLabel: DriveLabel{v.drive.Bundle, v.drive.Drive, v.drive.Of}, Dir: v.dir.Path(), Files: v.files, Bytes: v.bytes, Faults: v.faults, Protection: r.Protection, Err: err,
	})
}
