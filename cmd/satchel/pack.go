package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

type packOptions struct {
	config         string
	to             recipientFlags
	noEncryption   bool
	sign           signFlags
	volumes        volumes
	parallelImages int
	parallelLayers int
	restart        bool
	beginAgain     string
	noVerify       bool
	parity         string
	yes            bool
	noSpaceCheck   bool
	keepGoing      bool
	gaps           string
	only           string
	mirror         placeFlags
	api            mirrorAPI
	stream         string
	since          []string
	sites          int
	trust          trustFlags
	catalog        string
	output         string
	supplement     bool // it is of repair --from-source: in no stream, and on one drive
	extra          manifests.Extra
	clusters       clusterFlags
	registry       registryFlags
}

func newPack(a *app) *cobra.Command {
	o := packOptions{volumes: volumes{segmentSize: bundle.DefaultSegmentSize}}
	cmd := &cobra.Command{
		Use:   "pack -c FILE -r RECIPIENT DIR [DIR ...]",
		Short: "Write an encrypted bundle of images to a drive",
		Long: `pack fetches the images that an ImageSetConfiguration names and writes them to
DIR as an encrypted bundle: into DIR itself, or, when DIR is the root of a mounted
drive, into a directory satchel-<id> there. Tags are pinned to digests once, at
the start. Interrupted in any way, the same command resumes where it stopped,
inside a layer too. At the end every byte is read back from the drive, and the
fingerprint is printed on stdout: write it on paper, for unpack --expect.

A bundle that is too large for one drive goes on several. Name a DIR for each of them:
those on different devices are written at the same time. Or give --drive-size: DIR in
the root of a drive is where one drive after another is put in, and pack says which one
is next; any other DIR is on a staging disk, where each drive gets a directory, drive-01
and so on. What goes where is decided before the first byte, a blob never spans two
drives, and each drive is read back before it may leave.

--media takes the numbers that suit a kind of medium. For discs, DIR is always a staging
disk: each directory there is burned as it is, the last one first. Without --media and
--drive-size, archiveSize of the configuration is what goes onto each volume where DIR
is on a staging disk.

With --no-encryption the bundle has the same files, seals and signatures, but who has
the drive can read all of it, and readers open it with --allow-unencrypted alone.`,
		Example: "  satchel pack -c imageset.yaml -r age1... /run/media/me/drive",
		Args:    packDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPack(cmd, a, o, args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "ImageSetConfiguration `FILE`, - for standard input")
	addRecipientFlags(f, &o.to, "")
	addNoEncryption(f, &o.noEncryption)
	addSignFlags(f, &o.sign)
	f.Var(sizeValue{&o.volumes.segmentSize}, "segment-size", "largest file on the drive, such as 128MiB; at least 1MiB, at most 4GiB - 1")
	f.Var(someValue{sizeValue{&o.volumes.driveSize}}, "drive-size", "write onto as many drives as it takes, and at most so many bytes, such as 64GB, onto each; a bundle that was begun keeps the size that it was begun with")
	addClusterSize(f, &o.volumes.cluster)
	addMedia(f, &o.volumes.media)
	f.IntVar(&o.volumes.lanes, "lanes", bundle.DefaultLanes, "how many large blobs, `N`, are written at once to a drive; each takes 13 MiB of memory; a bundle on D drives has at most 99/D a drive")
	f.IntVar(&o.parallelImages, "parallel-images", defaultParallel, "how many images' manifests, `N`, are read at once")
	f.IntVar(&o.parallelLayers, "parallel-layers", defaultParallel, "how many blobs, `N`, are fetched at once: --lanes large ones, the rest are small")
	f.BoolVar(&o.restart, "restart", false, "delete the unfinished bundle in DIR and start again")
	f.StringVar(&o.beginAgain, "begin-again", "", "the drive of that `LABEL`, such as K3V6Q2MZ-3, was begun and cannot come back: begin it again on another one; the finished ones stay as they are")
	f.BoolVar(&o.yes, "yes", false, "do not ask whether DIR is meant where it may not be the drive, nor whether to begin another bundle, or to restart, while one with finished drives waits; warn and go on")
	f.BoolVar(&o.noSpaceCheck, "skip-space-check", false, "only warn if the drive reports too little free space, for file systems that report it wrongly")
	f.BoolVar(&o.keepGoing, "keep-going", false, "finish without images that are not available; list them and exit with 3")
	f.StringVar(&o.gaps, "gaps", "", "`FILE` that --keep-going writes its list to (default: next to the bundle's journal)")
	f.StringVar(&o.only, "only", "", "carry only the images in `FILE`, a list that --keep-going wrote")
	f.StringVar(&o.mirror.to, "to", "", "`MIRROR`, HOST[:PORT][/NAMESPACE], that the cluster's YAML in the bundle is for; nothing is sent to it (default: the placeholder "+clusteryaml.Placeholder+")")
	addLayoutFlags(f, &o.mirror, "with --to: ")
	addMirrorAPI(f, &o.api)
	f.BoolVar(&o.noVerify, "no-verify", false, "do not read the bundle back at the end, and print no fingerprint")
	addParity(f, &o.parity)
	addStream(f, &o.stream)
	addSince(f, &o.since)
	addSites(f, &o.sites)
	addReceiptTrust(f, &o.trust, "receipt of --since")
	addCatalogMode(f, &o.catalog)
	addOutcome(cmd, &o.output)
	addExtraFlags(f, &o.extra)
	addFromCluster(f, &o.clusters)
	addRegistryFlags(f, &o.registry, "src")
	return cmd
}

// where is the mirror that the cluster's YAML in the bundle is for, none if it is not named.
func (o packOptions) where() (oci.Mirror, error) {
	if o.mirror.to == "" {
		if o.mirror.nested.given() || o.mirror.layoutGiven() {
			return oci.Mirror{}, usage(errors.New("--max-nested-paths and --layout are about a mirror, and there is no --to"), "add --to HOST[:PORT][/NAMESPACE], or give it to unpack instead")
		}
		return oci.Mirror{}, nil
	}
	return o.mirror.place("pack")
}

// command is the name of the command.
func (o packOptions) command() string {
	if o.supplement {
		return "repair --from-source"
	}
	return "pack"
}

// job reads what the flags name and checks all of it.
func (o packOptions) job(a *app, flags *pflag.FlagSet, ui *bundle.UI, dirs []string) (job pack.Options, err error) {
	if job.Mirror, err = o.where(); err != nil {
		return job, err
	}
	job.MirrorAPI = o.api.MirrorAPI
	if err := o.api.check(); err != nil {
		return job, err
	}
	if o.extra.Hub, err = a.hub(o.registry); err != nil {
		return job, err
	}
	if job.Clusters, err = o.clusters.needs(a); err != nil {
		return job, err
	}
	if job.Config, err = loadSet(o.command(), o.config, o.extra, job.Clusters); err != nil {
		return job, err
	}
	if err := checkTemp(job.Config); err != nil {
		return job, err
	}
	to, err := o.to.parse(ui)
	if err != nil {
		return job, err
	}
	if err := checkRecipients(o.command(), to, o.noEncryption); err != nil {
		return job, err
	}
	if o.parallelImages < 1 || o.parallelLayers < 1 {
		return job, usage(errors.New("--parallel-images and --parallel-layers must be at least 1"), "")
	}
	if !o.supplement {
		if err := o.volumes.chooseFor(dirs, flags, job.Config); err != nil {
			return job, err
		}
	}
	if err := checkGapsFile(o.gaps); err != nil {
		return job, err
	}
	job.Job = bundle.Job{Config: job.Config.Digest(), Recipients: to, Plain: o.noEncryption, SegmentSize: o.volumes.segmentSize, Lanes: o.volumes.lanes}
	if err := job.Job.Check(); err != nil {
		return job, usage(err, "see satchel pack --help")
	}
	if job.Job.Parity, err = parityRatio(o.parity); err != nil {
		return job, err
	}
	if job.State, err = xdg("XDG_STATE_HOME", ".local/state"); err != nil {
		return job, usage(fmt.Errorf("find the directory for journals: %w", err), "set HOME or XDG_STATE_HOME")
	}
	if err := usableState(job.State); err != nil && !errors.Is(err, fs.ErrPermission) && diskTrouble(err) {
		return job, &bundle.StateError{Op: "write to the directory for journals", Path: job.State, Err: err}
	} else if err != nil {
		return job, usage(fmt.Errorf("write to the directory for journals: %w", err), "set XDG_STATE_HOME to a directory that this user may write to")
	}
	if !o.supplement {
		if err := o.join(a, &job); err != nil {
			return job, err
		}
	}
	if o.only != "" {
		if job.Only, err = gaps.Read(o.only); err != nil {
			return job, err
		}
	}
	job.To, job.File, job.OnlyFile, job.KeepGoing = a.notices(), o.config, o.only, o.keepGoing
	job.ParallelImages, job.ParallelBlobs = o.parallelImages, o.parallelLayers
	job.Journals = job.State
	job.Dir, job.Dirs, job.Restart, job.NoVerify = dirs[0], dirs, o.restart, o.noVerify
	job.BeginAgain = o.beginAgain
	job.Drives = o.volumes.drives()
	job.NoSpaceCheck = o.noSpaceCheck
	job.Unmounted = o.yes
	if !o.yes {
		job.Confirm = a.confirmPlace("Pack there?")
	}
	job.Agree = a.agree(o.yes)
	job.NextDrive = a.nextDrive()
	job.Job.Command, job.Job.Version = a.command(), version()
	job.Client, job.Cache = o.registry.client(a), a.openCache()
	return job, nil
}

// join finds the stream, and what earlier bundles of it carried.
func (o packOptions) join(a *app, job *pack.Options) (err error) {
	if job.From, job.Job.Stream, err = streamName(o.config, o.stream, o.extra.Hub != nil); err != nil {
		return err
	}
	if job.Baseline, job.Since, err = a.since(sinceFlags{o.since, o.trust, o.sites}, job.State, job.Job.Stream, job.From, o.stream != "", o.extra.Hub); err != nil {
		return err
	}
	if err := a.warnOtherConfig(job.State, job.Job.Stream, job.From, o.stream != ""); err != nil {
		return err
	}
	return a.joinCatalogs(job.Config, o.catalog, len(o.since) > 0, job.State, job.Job.Stream)
}

// usableState finds out whether journals can be written to a directory, or to the one that
// it will be created in.
func usableState(dir string) error {
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	durable.Sweep(dir, durable.Temp)
	f, err := os.CreateTemp(dir, durable.Temp)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func runPack(cmd *cobra.Command, a *app, o packOptions, dirs []string) error {
	ctx := cmd.Context()
	said := &packed{}
	if err := a.tellMachines(o.output, said); err != nil {
		return err
	}
	ui := a.ui(ctx)
	job, err := o.job(a, cmd.Flags(), ui, dirs)
	if err != nil {
		return err
	}
	if job.Job.Signers, err = o.sign.load(ctx, a, ui); err != nil {
		return err
	}
	if job.Job.Plain {
		said.NotEncrypted = true
		a.warnNoEncryption("bundle")
	}
	done, err := pack.Run(ctx, job)
	if done != nil && done.Stream != (bundle.Stream{}) {
		a.info("this is bundle %d of the stream %s", done.Sequence, done.Stream)
	}
	if whole, ok := errors.AsType[*pack.UncomparedError](err); ok && whole.Fingerprint != "" {
		said.Bundle, said.Dir, said.Fingerprint = whole.Bundle, whole.Dir, whole.Fingerprint
		a.info("fingerprint, for the paper slip: %s", whole.Fingerprint.Grouped()) // stdout is for runs that did all
		return err
	}
	if err != nil {
		return err
	}
	said.fill(done)
	if done.Fingerprint == "" {
		a.info("no fingerprint is printed, because the bundle was not read back: satchel verify %s does that, and prints it", shellWords(done.Dirs))
	} else {
		err = a.showFingerprint(done.Fingerprint)
	}
	file, gerr := a.reportGaps(cmd.Flags(), o.gaps, done)
	if said.Gaps != nil {
		said.Gaps.File = file
	}
	return errors.Join(err, gerr, manifests.ApplicationsKnown(job.Clusters))
}

// showFingerprint prints what was read back, for people and for scripts.
func (a *app) showFingerprint(fp bundle.Fingerprint) error {
	a.info("fingerprint, for the paper slip: %s", fp.Grouped())
	if a.machines() {
		return nil // it is in what they get
	}
	_, err := fmt.Fprintln(a.stdout, fp)
	return err
}

// reportGaps writes the list of gaps where --gaps says, or to the bundle's journal, and gives
// the name of the file. The error is a *gapsError if there are gaps.
func (a *app) reportGaps(flags *pflag.FlagSet, to string, done *pack.Result) (string, error) {
	file, err := done.WriteGaps(to)
	if err != nil || len(done.Gaps.Images) == 0 {
		return "", err
	}
	for _, inc := range done.Gaps.Incomplete {
		a.warn("%s", text.OneLine(inc.String()))
	}
	return file, &gapsError{countGaps(done.Gaps.Images), file, laterWords(flags, a.args, file)}
}
