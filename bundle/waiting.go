package bundle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// UnfinishedBundle is an unfinished bundle on several drives of which some are finished: it waits for the others.
type UnfinishedBundle struct {
	Bundle   string
	Next     string   // the label of the drive that it waits for
	Finished []string // the labels of those that are finished
	How      string   // in which way its job is another one, such as "with segments of 4MiB"; "" for the same
	Command  string   // the last one that worked on it; "" for none that is known

	created time.Time
}

// WaitingFor lists, the newest first, the bundles of the job's configuration and stream that wait for their next drive, also where
// other flags make them those of another job. One that another run is at work on is not listed, nor one on a staging disk.
func WaitingFor(state string, job Job) (list []UnfinishedBundle) {
	for path, st := range journals(state) {
		b := st.Begin
		if st.Sealed != nil || st.GivenUp || b.Staging || b.Count() < 2 || len(st.Done) == 0 || !job.isOfSet(b) || journal.Locked(path) {
			continue
		}
		list = append(list, job.waiting(st))
	}
	slices.SortFunc(list, func(a, b UnfinishedBundle) int {
		return cmp.Or(b.created.Compare(a.created), strings.Compare(a.Bundle, b.Bundle))
	})
	return list
}

// isOfSet reports whether a bundle is of the job's configuration and stream, whatever flags it was begun with. One of a part of the
// images is of the same part only.
func (j Job) isOfSet(b journal.Begin) bool {
	switch {
	case b.Supplements != nil || j.Supplement != nil:
		return false
	case j.continues(b):
		return true
	}
	return b.Stream == j.Stream && !b.Partial && !j.Partial && cmp.Or(b.File, b.Config) == cmp.Or(j.File, j.Config)
}

// waiting says what a bundle waits for.
func (j Job) waiting(st *journal.State) UnfinishedBundle {
	b := st.Begin
	w := UnfinishedBundle{Bundle: b.Bundle, How: j.differs(b), created: b.Created}
	for n := 1; n <= b.Count(); n++ {
		label := seal.Label(b.Bundle, n)
		if _, done := st.Done[n]; done {
			w.Finished = append(w.Finished, label)
		} else if w.Next == "" {
			w.Next = label
		}
	}
	if w.How == "" && b.DriveSize > 0 && j.DriveSize == 0 {
		w.How = fmt.Sprintf("with --drive-size %s", CompactSize(b.DriveSize))
	}
	if st.Process != nil {
		w.Command = st.Process.Command
	}
	return w
}
