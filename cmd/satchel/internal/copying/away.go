package copying

import (
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci/text"
)

// away says which drives of the bundle are not among the sources. With one source, or in a
// slot, where it may be what was left, that is no error; nor where nothing was copied, which has one.
func (r *run) away() error {
	done := slices.IndexFunc(r.jobs, func(j *job) bool { return j.done.Dir != "" })
	switch {
	case done < 0:
		return nil
	case len(r.sources) == 1 && len(r.jobs) == 1 && r.jobs[0].amongOthers():
		return r.lacking(r.jobs[0])
	}
	return away(r.sources, len(r.sources) == 1 || r.isSlot(), r.To)
}

// amongOthers reports whether the drive directory stands where those of the other drives do too.
func (j *job) amongOthers() bool {
	dest, err := filepath.Abs(j.dest)
	root, rerr := bundle.IsRoot(j.dest)
	return rerr == nil && err == nil && j.from.Of > 1 && filepath.Dir(j.dir) == dest && !root
}

// lacking says which drives of the bundle the directory still lacks, into which one drive after
// another is copied.
func (r *run) lacking(j *job) error {
	there, err := bundle.DriveDirs(j.dest, j.from.Bundle)
	if err != nil {
		return away(r.sources, true, r.To)
	}
	left := slices.DeleteFunc(bundle.NotAmong(r.sources), func(d bundle.DriveLabel) bool {
		return slices.ContainsFunc(there, func(o bundle.FoundDrive) bool { return o.Drive == d.Number })
	})
	if len(left) > 0 {
		r.Warn("this is not the whole bundle: not in %s yet: %s", j.dest, text.And(bundle.Labels(left)))
		return nil
	}
	r.Info("all %d drives of bundle %s are in %s; satchel verify reads them all", j.from.Of, j.from.Bundle, j.dest)
	return nil
}

func away(from []*bundle.Original, one bool, to notice.To) error {
	list := bundle.NotAmong(from)
	if len(list) == 0 {
		return nil
	}
	if one {
		to.Warn("this is not the whole bundle: not among what is copied: %s", text.And(bundle.Labels(list)))
		return nil
	}
	return &bundle.AwayError{Drives: list, Why: "what was copied is not the whole bundle"}
}
