package bundle

import (
	"cmp"
	"fmt"
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
	for _, files := range each {
		slices.SortFunc(files, func(a, b seal.File) int { return cmp.Compare(a.Name, b.Name) })
	}
	if r.begin.Across && AcrossDrives(r.parity, len(parts)) {
		return r.addAcross(parts, each)
	}
	for k, files := range each {
		if _, done := r.done[k+1]; done || len(files) == 0 {
			continue
		}
		p, err := parity.Plan(seal.Extras{Bundle: r.begin.Bundle, Seal: seal.Sum(nil)}, files, r.parity)
		if err != nil {
			return r.refuse(err)
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
		parts[k].has, parts[k].data, parts[k].parity = protectionOf(p), sizes(files), sizes(list)
		if p, err := parity.Plan(seal.Extras{Bundle: r.begin.Bundle, Seal: seal.Sum(nil)}, r.oneMore(files, k), r.parity); err == nil {
			parts[k].more = max(0, parityBytes(p)-sizes(list))
		}
	}
	return nil
}

func (r *forecaster) refuse(err error) error {
	return &RefusedError{Dir: "--parity " + r.parity.String(), Reason: err.Error(), hint: "give more segments to a group, a larger N in M/N, or other segments (--segment-size)"}
}

// addAcross counts parity files that go across all drives, and the copies of small files.
func (r *forecaster) addAcross(parts []part, each [][]seal.File) error {
	p, err := parity.PlanAcross(r.begin.Bundle, seal.Sum(nil), each, r.room, nil, r.parity)
	if err != nil {
		return r.refuse(err)
	}
	body, err := standInSums(p).Marshal()
	if err != nil {
		return err
	}
	for k := range parts {
		_, list := p.On(k + 1)
		for _, f := range list {
			parts[k].files = append(parts[k].files, f.Size)
		}
		lines := len(list)
		for number, sizes := range r.copied {
			if number != k+1 {
				parts[k].files = slices.Concat(parts[k].files, sizes, sizes)
				lines += len(sizes)
			}
		}
		parts[k].files = append(parts[k].files, int64(len(body)), int64(len(body)), perParityFile*int64(lines))
	}
	parts[0].has = protectionOf(p)
	more := make([][]seal.File, len(each))
	for k, files := range each {
		more[k] = r.oneMore(files, k)
	}
	upper, err := parity.PlanAcross(r.begin.Bundle, seal.Sum(nil), more, r.room, nil, r.parity)
	for k := range parts {
		_, list := p.On(k + 1)
		if _, most := upper.On(k + 1); err == nil {
			parts[k].more = max(0, sizes(most)-sizes(list))
		}
	}
	return nil
}

// standInSums is a plan with checksums of as many bytes as those that parity files will have.
func standInSums(p seal.Parity) seal.Parity {
	p.Groups = slices.Clone(p.Groups)
	for i := range p.Groups {
		g := &p.Groups[i]
		g.Parity = slices.Clone(g.Parity)
		for n := range g.Parity {
			g.Parity[n].SHA256 = seal.Sum(nil)
		}
	}
	return p
}

// oneMore adds a segment to those of a drive: lanes may fill in another order than was thought.
func (r *forecaster) oneMore(files []seal.File, k int) []seal.File {
	name := seal.Segment{Lane: k * r.begin.Lanes, Number: seal.MaxSegments, Plain: r.begin.Plain}.String()
	return append(slices.Clone(files), seal.File{Name: name, Size: r.begin.SegmentSize, SHA256: seal.Sum(nil)})
}

func sizes(files []seal.File) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

func (r *forecaster) nameOf(s journal.Segment) string {
	return seal.Segment{Lane: s.Lane, Number: s.Number, Plain: r.begin.Plain}.String()
}

// WholeDriveTakes says what it takes for one whole drive of so many to be rebuilt, and what that costs, where each has parity of its
// own.
func (f Forecast) WholeDriveTakes(ratio ParityRatio) string {
	drives, enough, takes := len(f.parts), ratio, "all drives mounted at the same time"
	if !AcrossDrives(ratio, drives) {
		enough = ratio.ForDrive(drives)
		takes = fmt.Sprintf("--parity %s, and %s", enough, takes)
	}
	var data, fullest, parity int64
	for _, p := range f.parts {
		data, fullest, parity = data+p.data, max(fullest, p.data), parity+p.parity
	}
	most := max(fullest, data*int64(enough.Parity)/int64(enough.Data)) // as much as the fullest drive has, at least
	return fmt.Sprintf("%s: about %s of parity files in place of %s", takes, FormatSize(most), FormatSize(parity))
}

// Protections are what the parity files of each drive will be able to rebuild, by drive, or one for
// all where parity goes across them: none for a job without parity.
func (f Forecast) Protections() (list []Protection) {
	for _, p := range f.parts {
		if len(p.has.Groups) > 0 {
			list = append(list, p.has)
		}
	}
	return list
}
