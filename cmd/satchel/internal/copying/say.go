package copying

import (
	"cmp"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// sayPlace says before the first byte what goes where, by the label that is written on the drive.
func (r *run) sayPlace(j *job) {
	into := j.dest
	if len(r.Into) == 1 && !r.isSlot() { // all go below it
		into = j.dir
	}
	r.Info("%s from %s into %s", cmp.Or(j.from.Label, "bundle "+j.from.Bundle), j.from.Dir, into)
}

// sayDone says what was copied and read back, and whether there is a drive to be taken away.
func (r *run) sayDone(j *job) {
	did := "copied " + j.from.Dir + " into"
	if j.done.Unchanged {
		did = "the bundle was there already, in"
	}
	if j.from.Label != "" {
		did = j.from.Label + ": " + did
	}
	r.Info("%s %s; read back: %s, %s, all as they were written", did, j.dir, text.Count(j.done.Files, "file", "files"), bundle.FormatSize(j.done.Bytes))
	what := cmp.Or(j.from.Label, "everything")
	switch {
	case j.on.Memory != "":
		r.Info("%s is in memory (%s): copy it to a drive before this host restarts", what, j.on.Memory)
	case j.on.Removable():
		r.Info("%s is on the drive at %s: unmount it, then it is safe to remove", what, j.on.Point())
	case len(r.sources) == 1:
		r.Info("%s is on the disk", what)
	}
}

// sayLabels says at the end of several drives what is to be written on which of them.
func (r *run) sayLabels() {
	var on []string
	disk := 0
	for _, j := range r.jobs {
		switch {
		case j.done.Dir == "": // it did not come to its end
		case j.from.Label != "" && j.on.Removable() && !r.isSlot():
			on = append(on, fmt.Sprintf("%s on that at %s", j.from.Label, j.on.Point()))
		case !j.on.Removable() && j.on.Memory == "":
			disk++
		}
	}
	if len(on) > 1 {
		r.Info("write the labels on the drives: %s", text.And(on))
	}
	if disk > 0 && disk == len(r.jobs) && len(r.sources) > 1 {
		r.Info("%s", onDisk(r.sources))
	}
}

// onDisk says what of a bundle on several drives is on the disk.
func onDisk(drives []*bundle.Original) string {
	if len(bundle.NotAmong(drives)) == 0 {
		return "everything is on the disk"
	}
	var labels []string
	for _, d := range drives {
		labels = append(labels, d.Label)
	}
	return text.And(labels) + " are on the disk"
}
