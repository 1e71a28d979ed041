package pack

import "github.com/satchel-airgap/satchel/bundle"

// sizeBegunWith takes the size of drives that the bundle was begun with, where this run names none: without it, nobody would look
// for its drives on a staging disk.
func (p *packing) sizeBegunWith() error {
	if p.opts.Drives.Size > 0 || p.opts.Supplement != nil {
		return nil
	}
	dirs := p.opts.Dirs
	if len(dirs) == 0 {
		dirs = []string{p.opts.Dir}
	}
	size, staging, err := bundle.DriveSizeIn(dirs, p.opts.State, p.opts.Job)
	if err != nil || size == 0 || p.opts.Restart && !staging { // one that is begun again takes the drive as it is
		return err
	}
	p.sized = true
	p.opts.Drives.Size, p.opts.Drives.Staging = size, staging
	p.Info("taking --drive-size %s, with which a bundle was begun there", bundle.CompactSize(size))
	return nil
}

// sayDriveSize says that a bundle which was begun keeps its drives as they were planned then, where this run names another size.
func (p *packing) sayDriveSize() {
	begun, now := p.w.MostOnDrive(), p.opts.Drives.Size
	if p.sized || now == 0 || now == begun || begun == 0 { // an earlier version noted none
		return
	}
	p.Warn("--drive-size %s changes nothing of this bundle: what goes on which drive was decided when it was begun, with --drive-size %s; --restart gives that up and begins another one", bundle.CompactSize(now), bundle.CompactSize(begun))
}
