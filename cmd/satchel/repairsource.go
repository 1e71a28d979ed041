package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/text"
)

// sourceOptions are the flags of repair --from-source.
type sourceOptions struct {
	on    bool
	lost  []string // files and directories
	pack  packOptions
	flags *pflag.FlagSet // all of them but --from-source
}

func addSource(cmd *cobra.Command, o *sourceOptions) {
	o.pack = packOptions{volumes: volumes{segmentSize: bundle.DefaultSegmentSize}, supplement: true}
	p, f := &o.pack, pflag.NewFlagSet("from-source", pflag.ContinueOnError)
	f.StringArrayVar(&o.lost, "lost", nil, "what the bundle has lost: the `FILE` that verify --lost wrote, or the directory of the damaged bundle (may be given more than once)")
	f.StringVarP(&p.config, "config", "c", "", "the ImageSetConfiguration `FILE` that the bundle was packed with, - for standard input")
	addRecipientFlags(f, &p.to, "")
	addNoEncryption(f, &p.noEncryption)
	addSignFlags(f, &p.sign)
	f.Var(sizeValue{&p.volumes.segmentSize}, "segment-size", "largest file on the drive, such as 128MiB; at least 1MiB, at most 4GiB - 1")
	f.IntVar(&p.volumes.lanes, "lanes", bundle.DefaultLanes, "how many large blobs, `N`, are written at once")
	f.IntVar(&p.parallelImages, "parallel-images", defaultParallel, "how many images' manifests, `N`, are read at once")
	f.IntVar(&p.parallelLayers, "parallel-layers", defaultParallel, "how many blobs, `N`, are fetched at once: --lanes large ones, the rest are small")
	f.BoolVar(&p.restart, "restart", false, "delete the unfinished supplement in DIR and start again")
	f.BoolVar(&p.noSpaceCheck, "skip-space-check", false, "only warn if the drive reports too little free space, for file systems that report it wrongly")
	f.BoolVar(&p.keepGoing, "keep-going", false, "finish without images that are not available; list them and exit with 3")
	f.StringVar(&p.gaps, "gaps", "", "`FILE` that --keep-going writes its list to (default: next to the supplement's journal)")
	f.BoolVar(&p.noVerify, "no-verify", false, "do not read the supplement back at the end, and print no fingerprint")
	addParity(f, &p.parity)
	addExtraFlags(f, &p.extra)
	addFromCluster(f, &p.clusters)
	addRegistryFlags(f, &p.registry, "src")
	o.flags = f
	cmd.Flags().BoolVar(&o.on, "from-source", false, "on the host that packed the bundle: fetch what it has lost from the registries again, and write that into DIR as a bundle of its own, a supplement")
	cmd.Flags().AddFlagSet(f)
}

// check refuses flags that say nothing without --from-source, or with it.
func (o sourceOptions) check(r repairOptions) error {
	if o.on && r.to != "" {
		return usage(errors.New("--to is for the repaired bundle, and --from-source repairs none: it writes the supplement into DIR"), "leave out --to")
	}
	if o.on && len(o.lost) == 0 {
		return usage(errors.New("--from-source needs what the bundle has lost"), "name the list that satchel verify --lost wrote, or the directory of the damaged bundle: --lost FILE|DIR")
	}
	if o.on {
		return nil
	}
	var err error
	o.flags.VisitAll(func(f *pflag.Flag) {
		if typed(f) && err == nil {
			err = usage(fmt.Errorf("--%s is for --from-source", f.Name), "add --from-source, or leave it out")
		}
	})
	return err
}

// run writes the supplement into dir.
func (o sourceOptions) run(cmd *cobra.Command, a *app, r repairOptions, dir string) error {
	ctx := cmd.Context()
	said := &packed{}
	if err := a.tellMachines(r.output, said); err != nil {
		return err
	}
	ui, p := a.ui(ctx), o.pack
	p.yes = r.yes
	job, err := p.job(a, cmd.Flags(), ui, []string{dir})
	if err != nil {
		return err
	}
	lost, err := o.whatIsLost(ctx, a, r)
	if err != nil {
		return err
	}
	if job.Supplement, err = bundle.FindSupplement(job.State, lost); err != nil {
		return err
	}
	if err := job.Supplement.Fits(job.Job); err != nil {
		return usage(err, "")
	}
	if job.Job.Signers, err = p.sign.load(ctx, a, ui); err != nil {
		return err
	}
	if job.Job.Plain {
		said.NotEncrypted = true
		a.warnNoEncryption("supplement")
	}
	done, err := pack.Run(ctx, job)
	if err != nil {
		return err
	}
	said.fill(done)
	said.Supplements = lost.Bundle
	a.info("%s is a supplement of bundle %s: inside, satchel unpack takes the damaged bundle and this one together", done.Bundle, lost.Bundle)
	if done.Fingerprint == "" {
		a.info("no fingerprint is printed, because it was not read back: satchel verify %s does that, and prints it", shellWords([]string{done.Dir}))
	} else {
		err = a.showFingerprint(done.Fingerprint)
	}
	file, gerr := a.reportGaps(cmd.Flags(), p.gaps, done)
	if said.Gaps != nil {
		said.Gaps.File = file
	}
	return errors.Join(err, gerr)
}

// whatIsLost joins the lists, and what is lost of the damaged bundle in the directories.
func (o sourceOptions) whatIsLost(ctx context.Context, a *app, r repairOptions) (all bundle.Lost, err error) {
	want, err := r.trust.wanted(r.expect)
	if err != nil {
		return all, err
	}
	var lists []bundle.Lost
	var dirs []string
	for _, name := range o.lost {
		switch info, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			return all, usage(fmt.Errorf("--lost: there is no %s", text.Printable(name)), "name the list that satchel verify --lost wrote, or the directory of the damaged bundle")
		case err == nil && info.IsDir():
			dirs = append(dirs, name)
			continue
		}
		l, err := bundle.ReadLost(name)
		if err != nil {
			return all, err
		}
		lists = append(lists, l)
	}
	if len(dirs) > 0 {
		l, err := a.lostIn(ctx, dirs, wanted{want.Expect, r.id, want.Trust}, want)
		if err != nil {
			return all, err
		}
		lists = append(lists, l)
	} else if want.Trust != nil || r.id != "" || want.Expect != "" {
		return all, usage(errors.New("--expect, --trust and --bundle are about the damaged bundle, and --lost names no directory of it"), "leave them out: a list names the bundle")
	}
	for i, l := range lists {
		if all, err = l.And(all); i > 0 && err != nil {
			return all, usage(err, "one supplement is of one bundle")
		}
		all.Bundle = l.Bundle
	}
	return all, nil
}

// lostIn reads the damaged bundle, which came back to this host. Its other drives may be whole where they are.
func (a *app) lostIn(ctx context.Context, dirs []string, w wanted, want bundle.Wanted) (l bundle.Lost, err error) {
	if dirs, err = a.choose(ctx, dirs, w); err != nil {
		return l, err
	}
	rep, err := a.verify(ctx, dirs, want)
	if rep == nil {
		return l, err
	}
	if l = rep.lost; rep.Bundle == "" {
		var ok bool
		if l, ok = bundle.LostWhole(rep.Dir); !ok {
			return l, err
		}
	}
	for _, d := range rep.NotLookedAt {
		l.Drives = slices.DeleteFunc(l.Drives, func(n int) bool { return n == d.Drive })
		a.info("drive %d of %d (%s) is not here: if it is lost, name a list that says so", d.Drive, d.Of, d.Label)
	}
	for _, m := range rep.open {
		l.Files = slices.DeleteFunc(l.Files, func(name string) bool { return name == m.File })
		a.info("%s is damaged, and drives that are not here may bring it back: if they cannot, name a list that says so", m.File)
	}
	return l, nil
}

// supplements says of a supplement which bundle it is of.
func (p *printer) supplements(id string) {
	if id != "" {
		p.printf("supplement   of bundle %s: it has what that one has lost\n", id)
	}
}

// writeLost writes the list of what a bundle has lost.
func (a *app) writeLost(file string, rep *verifyReport) error {
	if rep.Bundle == "" {
		all, ok := bundle.LostWhole(rep.Dir)
		if !ok {
			return usage(errors.New("--lost: the seals of the bundle cannot be read, so that nothing says what is lost"), "satchel repair brings a seal back from its second copy; where both are gone, all of that drive is lost: write the list by hand (docs/parity.md)")
		}
		rep.Bundle, rep.lost = all.Bundle, all
	}
	switch {
	case rep.lost.Empty() && len(rep.open) > 0:
		return usage(fmt.Errorf("--lost: %s is not written: what is damaged may come back with the drives that are not here", text.Printable(file)),
			"name the directories of all drives that are there; those that are not are listed as lost then")
	case rep.lost.Empty() && rep.stays:
		a.info("%s is not written: nothing that the bundle carries is lost, and a supplement does not bring back what is LOST", text.Printable(file))
		return nil
	case rep.lost.Empty():
		if _, err := os.Lstat(file); err == nil {
			return usage(fmt.Errorf("nothing is lost that satchel repair does not bring back, and %s is there from before", file), "remove it: it is not of this bundle as it is now")
		}
		a.info("nothing is lost that satchel repair does not bring back: %s is not written", text.Printable(file))
		return nil
	}
	if err := durable.Write(file, rep.lost.Marshal()); err != nil {
		return err
	}
	to := "-r RECIPIENT"
	if rep.NotEncrypted {
		to = "--no-encryption"
	}
	a.info("%s lists what bundle %s has lost; it has no secret. On the host that packed the bundle: satchel repair --from-source -c IMAGESET %s --lost %s DIR", text.Printable(file), rep.Bundle, to, shellWords([]string{file}))
	for _, d := range rep.Drives {
		if d.Problem != "" && d.Drive > 0 {
			a.info("drive %d is not in the list: %s", d.Drive, text.Printable(d.Problem))
		}
	}
	a.tellNotListed(rep)
	return nil
}

// tellNotListed says how a list takes in what was not looked at, and what it takes for lost.
func (a *app) tellNotListed(rep *verifyReport) {
	for _, d := range rep.NotLookedAt {
		switch {
		case len(rep.Drives) == 1:
			a.info("drive %d of %d (%s) was not looked at: if it is lost, add the line \"drive %d\"", d.Drive, d.Of, d.Label, d.Drive)
		case slices.Contains(rep.lost.Drives, d.Drive):
			a.info("drive %d of %d (%s) is not here, and the list has it as lost, with what only it could bring back: if it is there, name its directory too", d.Drive, d.Of, d.Label)
		}
	}
	if len(rep.Drives) != 1 {
		return
	}
	for _, m := range rep.open {
		a.info("%s is not in the list: the other drives may bring it back; if they cannot, add the line \"file %s\"", m.File, m.File)
	}
}
