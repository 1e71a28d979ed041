package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// printOne prints the report of one of several bundles.
func printOne(w io.Writer, r verifyReport) error {
	p := &printer{w: w}
	p.printf("directory    %s\n", text.Printable(r.Dir))
	if r.Fingerprint != "" || len(r.Faults) > 0 || len(r.Drives) > 0 {
		p.err = cmp.Or(p.err, printVerify(w, r))
	} else if r.Bundle != "" {
		p.printf("bundle       %s\n", r.Bundle)
	}
	if !r.OK && len(r.Faults) == 0 { // else those have said it
		p.printf("PROBLEM      %s\n", text.Printable(text.OneLine(r.Problem)))
	}
	p.printf("\n")
	return p.err
}

// doubt follows the fingerprint of a bundle that is not as it was written.
func (r verifyReport) doubt() string {
	switch {
	case r.OK, len(r.Faults)+len(r.LineEnds)+len(r.Rekey)+len(r.Signing)+len(r.Adding) == 0 && len(r.NotLookedAt) > 0:
		return ""
	case len(r.Faults) > 0 && !r.Whole:
		return " (of the seal; the files are damaged)"
	}
	return " (of the seal; not all files are as they were written)"
}

func printVerify(w io.Writer, r verifyReport) error {
	p := &printer{w: w}
	if r.Bundle == "" { // the seals could not be read
		p.faults(r.Faults, "")
		return p.err
	}
	p.verified(r)
	p.unfinished(r)
	for _, name := range r.LineEnds {
		p.printf("line ends    %s (CR LF: changed by a copy)\n", name)
	}
	if len(r.Drives) > 0 {
		p.drives(r)
	} else {
		p.faults(r.Faults, "")
		p.remedies(r.Remedies, "")
	}
	p.judgement(r)
	return p.err
}

// verified prints which bundle it is, and how much of it was looked at.
func (p *printer) verified(r verifyReport) {
	if r.Created.IsZero() { // that is on the last drive
		p.printf("bundle       %s\n", r.Bundle)
	} else {
		p.printf("bundle       %s, packed %s\n", r.Bundle, text.Minute(r.Created))
		p.stream(r.Stream, r.Sequence)
	}
	if r.Fingerprint != "" {
		p.printf("fingerprint  %s%s\n", r.Fingerprint.Grouped(), r.doubt())
	}
	p.supplements(r.Supplements)
	p.signed(r.Signed)
	p.encryption(r.NotEncrypted)
	p.printf("files        %d, %s\n", r.Files, bundle.FormatSize(r.Bytes))
	p.parity("", r.Parity, r.Faults)
}

// unfinished prints what interrupted runs have left, and what to do about it.
func (p *printer) unfinished(r verifyReport) {
	for _, name := range r.Leftovers {
		p.printf("left over    %s (from an interrupted run, harmless)\n", name)
	}
	for _, name := range r.Rekey {
		p.printf("UNFINISHED   %s (of a rekey that was interrupted; run it again)\n", name)
	}
	for _, name := range r.Signing {
		p.printf("UNFINISHED   %s (of a signing that was interrupted; sign the bundle again)\n", name)
	}
	for _, name := range r.Adding {
		p.printf("UNFINISHED   %s (of a satchel parity that was interrupted; run it again: it goes on)\n", name)
	}
	if len(r.Unlisted) > 0 && len(r.Signing) == 0 {
		p.printf("not listed   %s (right, but SHA256SUMS does not name it: added by another tool than satchel sign)\n", strings.Join(r.Unlisted, ", "))
	}
}

// faults prints what is wrong with files; of says of which drive.
func (p *printer) faults(list []faultReport, of string) {
	for _, f := range list {
		p.printf("FAULT        %s%s %s\n", of, f.File, f.What)
	}
}

// parity prints which protection the bundle was given, and that it has less where parity files are damaged.
func (p *printer) parity(of, given string, list []faultReport) {
	if given == "" {
		return
	}
	damaged := 0
	for _, f := range list {
		if strings.HasSuffix(f.File, ".par") {
			damaged++
		}
	}
	if damaged == 0 {
		p.printf("parity       %s%s can be rebuilt\n", of, given)
		return
	}
	p.printf("parity       %s%s could be rebuilt; %s damaged, so fewer until satchel repair has rebuilt %s\n", of, given,
		text.Count(damaged, "parity file is", "parity files are"), map[bool]string{true: "it", false: "them"}[damaged == 1])
}

// judgement prints the last lines: what the bundle is good for.
func (p *printer) judgement(r verifyReport) {
	if r.Renamed {
		p.printf("names        changed by a copy; satchel understands them, sha256sum -c does not\n")
	}
	if r.Whole {
		p.printf("what it carries is whole\n")
	}
	if r.OK && len(r.NotLookedAt) == 0 {
		p.printf("every byte is as it was written\n")
	} else if r.OK {
		what := "this drive"
		if len(r.Drives) > 1 {
			what = "what is here"
		}
		p.printf("every byte of %s is as it was written\n", what)
		if r.Fingerprint == "" {
			p.printf("whether it is a drive of the sealed bundle, the last drive shows\n")
		}
	}
}

// drives prints what was found of each drive of several, and of those that are not here.
func (p *printer) drives(r verifyReport) {
	for _, d := range r.Drives {
		p.drive(d)
	}
	for _, d := range r.NotLookedAt {
		p.printf("not here     drive %d of %d, %s\n", d.Drive, d.Of, d.Label)
	}
	for _, d := range r.Rebuildable {
		p.printf("repairable   drive %d, the whole of it, from the others (by satchel repair --to DIR)\n", d.Drive)
	}
	for _, d := range r.Beyond {
		p.printf("in part      drive %d, if it does not come back: not all of it can be made anew (%s)\n", d.Drive, d.Lost)
	}
}

// drive prints what was found of one drive.
func (p *printer) drive(d oneDrive) {
	if d.Drive == 0 { // nothing says which one it is
		p.printf("drive        in %s: NOT WHOLE\n", text.Printable(d.Dir))
		if d.Problem != "" {
			p.printf("PROBLEM      %s\n", text.Printable(d.Problem))
		}
		p.faults(d.Faults, text.Printable(d.Dir)+": ")
		return
	}
	is := "whole"
	if !d.OK {
		is = "NOT WHOLE"
	}
	of := fmt.Sprintf("drive %d: ", d.Drive)
	p.printf("drive        %d of %d, %s, in %s: %s, %s: %s\n", d.Drive, d.Of, d.Label, text.Printable(d.Dir), text.Count(d.Files, "file", "files"), bundle.FormatSize(d.Bytes), is)
	if d.Problem != "" {
		p.printf("PROBLEM      %s%s\n", of, text.Printable(d.Problem))
	}
	p.faults(d.Faults, of)
	p.remedies(d.Remedies, of)
	p.parity(of, d.Parity, d.Faults)
}
