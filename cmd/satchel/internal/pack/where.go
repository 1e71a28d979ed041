package pack

import (
	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// sayWhere says whether there are drives to be taken away.
func (p *packing) sayWhere(b bundle.SealedError) {
	staging := p.slots != nil && p.slots.Staging
	names := p.driveNames(b, staging)
	if _, away, err := p.drivesOf(b); err == nil && len(away) > 0 {
		p.sayHere(away, names, staging)
		return
	}
	switch {
	case p.on.Memory != "":
		p.Info("everything is in memory (%s): copy it to a drive before this host restarts", p.on.Memory)
	case staging && len(names) > 0:
		p.Info("everything is on the disk: each of these directories is that of one drive or disc, as it is: %s", text.And(names))
	case p.on.Removable() && len(names) > 1:
		p.Info("everything is on the drives: %s; unmount them, then they are safe to remove", text.And(names))
	case p.on.Removable():
		p.Info("everything is on the drive: unmount it, then it is safe to remove")
	default:
		p.Info("everything is on the disk")
	}
}

// sayHere is sayWhere where only some of the drives are here: nobody has looked at the others.
func (p *packing) sayHere(away []bundle.DriveLabel, names []string, staging bool) {
	them := "it"
	if len(away) > 1 {
		them = "them"
	}
	switch {
	case staging:
		p.Warn("not on the disk: %s, finished in an earlier run; the bundle is whole only with %s", awayLabels(away), them)
		p.Info("on the disk, each of these directories is that of one drive or disc, as it is: %s", text.And(names))
		return
	case p.on.Memory != "":
		p.Info("the drives that are here are in memory (%s): copy them to drives before this host restarts", p.on.Memory)
	case p.on.Removable() && len(names) == 1:
		p.Info("the last drive is finished: %s; unmount it, then it is safe to remove", names[0])
	case p.on.Removable():
		p.Info("the drives that are here are finished: %s; unmount them, then they are safe to remove", text.And(names))
	}
	p.Info("not here, and not looked at now: %s, finished before; the bundle is whole only with %s", awayLabels(away), them)
}

// awayLabels names drives that are not here.
func awayLabels(away []bundle.DriveLabel) string {
	labels := make([]string, len(away))
	for i, d := range away {
		labels[i] = d.Label()
	}
	return text.And(labels)
}

// driveNames are the labels and directories of the drives that are here, of a bundle of several; on a staging disk of all, else
// of those that can be taken away.
func (p *packing) driveNames(b bundle.SealedError, staging bool) (names []string) {
	dirs, away, err := p.drivesOf(b)
	if err != nil || len(dirs)+len(away) < 2 {
		return nil // what is wrong with them was found before
	}
	for _, dir := range dirs {
		number, err := bundle.DriveIn(dir)
		if err != nil || number == 0 || !staging && !bundle.MountOf(dir).Removable() {
			continue
		}
		names = append(names, bundle.DriveLabel{Bundle: b.Bundle, Number: number, Of: len(dirs) + len(away)}.Label()+" in "+text.Printable(dir))
	}
	return names
}
