// Package pack writes a bundle: it prepares what a configuration carries, or resumes the
// bundle that was begun, fetches every blob onto the drive, seals, and reads all of it
// back.
package pack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Options say what is packed, and where.
type Options struct {
	prepare.Options
	// Supplement is what a damaged bundle has lost, if that is to be packed and nothing else; nil for all that the
	// configuration names.
	Supplement *bundle.Supplement
	Job        bundle.Job // its Config comes from Identity, and Partial from Only; its Stream has a name
	Dir        string     // that the bundle goes to, or a mount that it gets a directory in
	Dirs       []string   // of several drives, Dir first; nil for one
	// Drives of a size: as many as that takes, each in its turn in the place of the last one, or in a directory of its own where
	// Dir is on a staging disk.
	Drives places.Drives
	// NextDrive asks for a drive, and gives the directory where it is; nil where nobody is there.
	NextDrive  func(ctx context.Context, wanted *NextDriveError) (dir string, err error)
	State      string // directory of the journals and ledgers
	From       string // absolute path of the configuration, "-" for standard input
	BeginAgain string // label of a drive that was begun and cannot come back: it is begun again on another one; "" for none
	Restart    bool   // delete an unfinished bundle in Dir and start again
	NoVerify   bool   // do not read the bundle back
	// NoSpaceCheck: what the file system says of its free space is a warning at most.
	NoSpaceCheck bool
	// Confirm asks whether to pack although the bundle may be in the wrong place; nil where nobody is there, or the answer is yes.
	Confirm func(ctx context.Context, doubt string) (bool, error)
	// Agree asks whether to do what loses finished work or may be a mistake; nil where nobody is there, and then it is not done.
	Agree func(ctx context.Context, question string) (bool, error)
	// Unmounted: where a drive was mounted when this host last wrote there, none will be any more.
	Unmounted bool
}

// Identity is what makes two packs the same job, so that one resumes the other: the
// configuration, the images that a gap list names, what the baseline was named by, and the
// mirror that the cluster's YAML is for, if one is named, and the kind of rules in it, if it is not the usual one.
func Identity(o prepare.Options) digest.Digest {
	id := o.Config.Digest()
	if o.Only != nil {
		id = oci.Digest([]byte(id.String() + o.Only.Digest().String()))
	}
	if len(o.Since) > 0 {
		id = oci.Digest(fmt.Appendf(nil, "%s since %q", id, o.Since))
	}
	if o.Mirror.Host != "" {
		id = oci.Digest(fmt.Appendf(nil, "%s %s %d", id, o.Mirror, o.Mirror.MaxNestedPaths))
		if shared := o.Mirror.Shared.Repository; shared != "" {
			id = oci.Digest(fmt.Appendf(nil, "%s releases in %s", id, shared))
		}
	}
	if api := o.MirrorAPI; api != "" && api != manifests.MirrorICSP {
		id = oci.Digest(fmt.Appendf(nil, "%s rules as %s", id, api))
	}
	return id
}

// Result is a finished bundle.
type Result struct {
	Bundle      string // its ID
	Dir         string
	Dirs        []string           // of several drives, those that are here
	Fingerprint bundle.Fingerprint // empty for a bundle that was not read back in this run
	Stream      bundle.Stream      // the zero value for a bundle of an earlier version
	Sequence    int
	Unchanged   bool       // it was finished before this run, and has what the configuration names now
	Graph       *oci.Graph // what it needs; without an image where this run only read it back
	Carried     *oci.Graph // the part of that which travels; nil where that is not known
	Gaps        gaps.List  // what it was finished without

	state string
}

// Run packs. If the directory has a finished bundle of the job already, it is compared
// with what the configuration names now, and read back.
func Run(ctx context.Context, o Options) (*Result, error) {
	o.Job.Config, o.Job.Partial, o.Job.File = Identity(o.Options), o.Only != nil, o.Config.Digest()
	o.Job.BeginAgain = o.BeginAgain
	if o.Supplement != nil {
		if err := o.supplement(); err != nil {
			return nil, err
		}
	}
	p := &packing{Set: prepare.New(o.Options), opts: o, left: map[string]string{}}
	defer p.Close()
	p.sweep()
	defer func() { _ = p.hold.Close() }() // what was noted is durable
	return p.run(ctx)
}

// sweep removes temporary files that a crash left beside gap lists.
func (p *packing) sweep() {
	bundles, _ := os.ReadDir(bundleState(p.opts.State, "")) // what cannot be read has nothing to be removed
	for _, b := range bundles {
		durable.Sweep(bundleState(p.opts.State, b.Name()), durable.Temp)
	}
}

// packing is one run.
type packing struct {
	*prepare.Set
	opts Options
	w    *bundle.Writer
	hold *bundle.Hold // on the finished bundle, until the run ends
	on   bundle.Mount // where the directory was at the start

	sized bool              // this run names no size of drives, and takes the one that the bundle was begun with
	rest  bundle.Forecast   // what was still to be written when the run took the bundle over
	added bool              // that has other parity than was counted when the bundle was begun
	slots *slots            // nil for a bundle of one drive
	left  map[string]string // the label of the drive that was finished last in a place
	given []string          // IDs of the unfinished bundles that a restart gives up

	stream   bundle.Stream // of the finished bundle
	sequence int
}

func (p *packing) run(ctx context.Context) (*Result, error) {
	if done, err := p.open(ctx); done != nil || err != nil {
		return done, err
	}
	id := p.w.ID()
	fp, err := p.write(ctx)
	dir := p.w.Dir()
	if err == nil {
		s := bundle.Seal{Bundle: id, Fingerprint: fp}
		s.Stream, s.Sequence = p.w.Number()
		err = p.sealed(s, dir)
	}
	if err != nil {
		return nil, errors.Join(err, p.w.Close())
	}
	if p.hold, err = p.w.Hold(); err != nil { // other runs stay away until it is read back
		return nil, err
	}
	p.dropBuilt(id)
	if err := p.release(ctx, bundle.SealedError{Bundle: id, Dir: dir, Fingerprint: fp, Across: p.w.Across(), DriveSize: p.w.MostOnDrive()}); err != nil {
		return nil, err
	}
	return p.result(id, dir, fp), nil
}

func (p *packing) result(id, dir string, fp bundle.Fingerprint) *Result {
	if p.opts.NoVerify {
		fp = "" // nobody knows whether the drive has what it stands for
	}
	done := &Result{Bundle: id, Dir: dir, Dirs: []string{dir}, Fingerprint: fp, Stream: p.stream, Sequence: p.sequence, Graph: p.Graph, Gaps: p.Gaps, state: p.opts.State}
	done.Carried = p.Carried()
	if dirs, _, err := p.drivesOf(bundle.SealedError{Bundle: id, Dir: dir}); err == nil && len(dirs) > 0 {
		done.Dirs = dirs
	}
	return done
}

// release verifies what was written and reports that the drive may go.
func (p *packing) release(ctx context.Context, b bundle.SealedError) error {
	dir, fp := b.Dir, b.Fingerprint
	if err := p.on.Check(); err != nil {
		return err
	}
	if err := p.sign(ctx, dir, fp); err != nil {
		return err
	}
	dirs, away, err := p.drivesOf(b)
	if err != nil {
		return err
	}
	across, err := p.parityOf(b, dirs, len(away))
	switch {
	case err != nil:
	case across:
		err = p.addAcross(ctx, b, dirs, away)
	default:
		err = p.addParity(ctx, dir, fp)
	}
	if err != nil {
		return err
	}
	if err := p.readBack(ctx, b.Bundle, dir, fp); err != nil {
		return err
	}
	if err := p.checkSigned(dir, fp); err != nil {
		return err
	}
	if err := p.syncDrive(dir); err != nil {
		return err
	}
	if p.opts.Job.Plain {
		p.Info("packed into %s, not encrypted", dir)
	} else {
		p.Info("packed into %s", dir)
	}
	p.sayWhere(b)
	return nil
}

// syncDrive makes everything durable, and checks that the drive is still mounted.
func (p *packing) syncDrive(dir string) error {
	if err := bundle.Release(dir); err != nil {
		return err
	}
	return p.on.Check()
}

// readBack verifies a bundle, as far as it is to be, and notes that it was.
func (p *packing) readBack(ctx context.Context, id, dir string, fp bundle.Fingerprint) error {
	if p.opts.NoVerify {
		if err := p.checkSizes(ctx, fp, dir); err != nil {
			return err
		}
		return p.hold.MarkReleased()
	}
	fp, err := p.verify(ctx, fp, dir)
	if err == nil {
		err = p.verified(fp, id, dir)
	}
	return err
}

// verify reads the bundle back from the drives that are here. Empty, expect is any bundle.
func (p *packing) verify(ctx context.Context, expect bundle.Fingerprint, dirs ...string) (bundle.Fingerprint, error) {
	total, err := bundle.SealedSize(dirs, bundle.Wanted{Expect: expect})
	if err != nil {
		return "", err
	}
	bar := p.Progress("verifying", 0, total)
	defer bar.End()
	r, err := bundle.Verify(ctx, dirs, bundle.VerifyOptions{Expect: expect, Cold: true, Progress: bar.Add})
	var away *bundle.AwayError
	if err != nil && !errors.As(err, &away) { // drives may be away that were finished before
		return "", fmt.Errorf("verify what was written: %w", err)
	}
	what := ""
	if len(r.Drives) > 0 {
		labels := make([]string, len(r.Drives))
		for i, d := range r.Drives {
			labels[i] = d.Label()
		}
		what = " " + text.And(labels)
	}
	p.Info("verified%s: %s, %s, all as they were written", what, text.Count(r.Files, "file", "files"), bundle.FormatSize(r.Bytes))
	return r.Fingerprint, nil
}

// bundleState is the directory of a bundle's journal.
func bundleState(state, id string) string { return filepath.Join(state, "bundles", id) }

// builtDir is where what was built for a bundle is stored until it is finished.
func (p *packing) builtDir(id string) string {
	return filepath.Join(bundleState(p.opts.State, id), "made")
}

func (p *packing) dropBuilt(id string) {
	if err := os.RemoveAll(p.builtDir(id)); err != nil {
		p.Warn("%v", err) // the bundle is finished all the same
	}
}

// WriteGaps writes the list of what the bundle was finished without into file, or, where
// that is empty, to the bundle's journal, and gives the name of the file. If there are no
// gaps, an empty list is written into file, so that an older one does not count.
func (r *Result) WriteGaps(file string) (string, error) {
	if file == "" {
		if len(r.Gaps.Images) == 0 {
			return "", nil
		}
		file = filepath.Join(bundleState(r.state, r.Bundle), "gaps.json")
	}
	body, err := r.Gaps.Marshal(r.Bundle)
	if err == nil {
		err = durable.Write(file, body)
	}
	if err != nil {
		return "", fmt.Errorf("write the gap list: %w", err)
	}
	return file, nil
}
