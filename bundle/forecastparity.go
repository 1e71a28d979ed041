package bundle

import (
	"cmp"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/parity"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// perParityFile is what a parity file takes in the small files and their copies, in bytes.
const perParityFile = 512

// addParity counts the parity files of each drive that is not finished.
func (r *forecaster) addParity(parts []part) error {
	if r.parity.Parity == 0 {
		return nil
	}
	each := make([][]seal.File, len(parts))
	for _, s := range slices.Concat(r.kept, r.segs) {
		k := r.begin.DriveOf(s.Lane) - 1
		each[k] = append(each[k], seal.File{Name: r.nameOf(s), Size: s.Size, SHA256: seal.Sum(nil)})
	}
	for k, files := range each {
		slices.SortFunc(files, func(a, b seal.File) int { return cmp.Compare(a.Name, b.Name) })
		if _, done := r.done[k+1]; done || len(files) == 0 {
			continue
		}
		p, err := parity.Plan(seal.Extras{Bundle: r.begin.Bundle, Seal: seal.Sum(nil)}, files, r.parity)
		if err != nil {
			return &RefusedError{Dir: "--parity " + r.parity.String(), Reason: err.Error(), hint: "give more segments to a group, a larger N in M/N, or other segments (--segment-size)"}
		}
		body, err := p.Marshal()
		if err != nil {
			return err
		}
		list := p.Files()
		for _, f := range list {
			parts[k].files = append(parts[k].files, f.Size)
		}
		parts[k].files = append(parts[k].files, int64(len(body)), int64(len(body)), perParityFile*int64(len(list)))
		parts[k].has = protectionOf(p)
	}
	return nil
}

func (r *forecaster) nameOf(s journal.Segment) string {
	return seal.Segment{Lane: s.Lane, Number: s.Number, Plain: r.begin.Plain}.String()
}

// Protections are what the parity files of each drive will be able to rebuild, by drive: none
// for a job without parity.
func (f Forecast) Protections() (list []Protection) {
	for _, p := range f.parts {
		if len(p.has.Groups) > 0 {
			list = append(list, p.has)
		}
	}
	return list
}
