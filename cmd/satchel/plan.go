package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// defaultParallel is how many blobs, and how many images' manifests, are asked
// for at once by default.
const defaultParallel = 8

type planOptions struct {
	config         string
	to             recipientFlags
	noEncryption   bool
	volumes        volumes
	parallelImages int
	keepGoing      bool
	drives         []string
	rate           int64
	images         bool
	wide           bool
	output         string
	stream         string
	since          []string
	sites          int
	trust          trustFlags
	catalog        string
	sign           signFlags
	extra          manifests.Extra
	clusters       clusterFlags
	parity         string
	pin            pinFlags
	registry       registryFlags
}

func newPlan(a *app) *cobra.Command {
	o := planOptions{volumes: volumes{segmentSize: bundle.DefaultSegmentSize}}
	cmd := &cobra.Command{
		Use:   "plan -c FILE",
		Short: "Show what pack would carry",
		Long: `plan does what pack does before its first byte, and then shows what pack would
carry: the packages, channels and versions of each catalog; images by origin,
bytes, what they share, what the bundle takes on drives.
It needs no drive and no recipient, reads manifests, and leaves nothing but what
it stores in the cache for the next plan or pack.

Bytes carried are exact. Bytes written are within 1%; where content must be
compressed that plan does not read, they are an upper bound, and "at most" is
printed. For that, small JSON such as image configs is read too if it is a
noticeable part of the set. Without recipients, one X25519 key is counted.

--rate shows how long it takes to fetch what must come over the network: not what
satchel builds, what is in the cache, or what catalogs in directories have.`,
		Example: "  satchel plan -c imageset.yaml --drive-size 64GB",
		Args:    exactly(0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPlan(cmd, a, o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "ImageSetConfiguration `FILE`, - for standard input")
	addPublicKeyFlags(f, &o.to)
	addNoEncryption(f, &o.noEncryption)
	f.Var(sizeValue{&o.volumes.segmentSize}, "segment-size", "the value that pack will get")
	f.IntVar(&o.volumes.lanes, "lanes", bundle.DefaultLanes, "the `N` that pack will get")
	f.IntVar(&o.parallelImages, "parallel-images", defaultParallel, "how many images' manifests, `N`, are read at once")
	f.BoolVar(&o.keepGoing, "keep-going", false, "plan without images that are not available; list them and exit with 3")
	f.Var(someValue{sizeValue{&o.volumes.driveSize}}, "drive-size", "free space of the drives at hand, such as 64GB (default: what drives of the usual sizes leave)")
	addMedia(f, &o.volumes.media)
	f.StringArrayVar(&o.drives, "drive", nil, "`DIR` that pack will get: its free space and the size of its clusters are counted with, and where drives go there (may be given more than once)")
	addClusterSize(f, &o.volumes.cluster)
	f.Var(rateValue{&o.rate}, "rate", "also show how long fetching takes at so many bytes a second, such as 20MB or 160Mbit")
	f.BoolVar(&o.images, "images", false, "list every image too: its size, what of that others share, and why it is carried (-o json and yaml always do)")
	addPinFlags(f, &o.pin)
	addParity(f, &o.parity)
	addStream(f, &o.stream)
	addSince(f, &o.since)
	addSites(f, &o.sites)
	addReceiptTrust(f, &o.trust, "receipt of --since")
	addCatalogMode(f, &o.catalog)
	addSignFlags(f, &o.sign)
	addExtraFlags(f, &o.extra)
	addFromCluster(f, &o.clusters)
	addRegistryFlags(f, &o.registry, "src")
	addOutput(cmd, &o.output)
	addWide(f, &o.wide)
	return cmd
}

// job reads what the flags name and checks all of it.
func (o planOptions) job(cmd *cobra.Command, a *app, ui *bundle.UI) (job plan.Options, err error) {
	ctx := cmd.Context()
	if err := checkOutput(o.output); err != nil {
		return job, err
	}
	if o.extra.Hub, err = a.hub(o.registry); err != nil {
		return job, err
	}
	if job.Clusters, err = o.clusters.needs(a); err != nil {
		return job, err
	}
	if job.Config, err = loadSet("plan", o.config, o.extra, job.Clusters); err != nil {
		return job, err
	}
	if err := checkTemp(job.Config); err != nil {
		return job, err
	}
	to, err := o.to.parse(ui)
	if err != nil {
		return job, err
	}
	if o.noEncryption {
		if err := checkRecipients("plan", to, true); err != nil {
			return job, err
		}
		a.warnNoEncryption("bundle")
	}
	if o.parallelImages < 1 {
		return job, usage(errors.New("--parallel-images must be at least 1"), "")
	}
	if err := o.volumes.chooseFor(o.drives, cmd.Flags(), job.Config); err != nil {
		return job, err
	}
	if err := o.pin.check(o.config, o.since, o.catalog); err != nil {
		return job, err
	}
	job.Pin = o.pin.file != ""
	job.Job = bundle.Job{Recipients: to, Plain: o.noEncryption, SegmentSize: o.volumes.segmentSize, Lanes: o.volumes.lanes}
	if err := job.Job.CheckNumbers(); err != nil {
		return job, usage(err, "see satchel plan --help")
	}
	if job.Job.Parity, err = parityRatio(o.parity); err != nil {
		return job, err
	}
	if job.Job.Signers, err = o.sign.load(ctx, a, ui); err != nil {
		return job, err
	}
	job.To, job.File, job.KeepGoing = a.notices(), o.config, o.keepGoing
	job.ParallelImages, job.ParallelBlobs = o.parallelImages, defaultParallel
	job.Journals, _ = xdg("XDG_STATE_HOME", ".local/state") // without them, nothing is known of earlier bundles
	from, name, err := streamName(o.config, o.stream, o.extra.Hub != nil)
	if err != nil {
		return job, err
	}
	job.Job.Stream = name
	if job.Baseline, job.Since, err = a.since(sinceFlags{o.since, o.trust, o.sites}, job.Journals, name, from, o.stream != "", o.extra.Hub); err != nil {
		return job, err
	}
	if err := a.warnOtherConfig(job.Journals, name, from, o.stream != ""); err != nil {
		return job, err
	}
	if err := a.joinCatalogs(job.Config, o.catalog, len(o.since) > 0, job.Journals, name); err != nil {
		return job, err
	}
	job.Dirs, job.Drives, job.Rate = o.drives, o.volumes.drives(), o.rate
	if err := o.measure(a, &job); err != nil {
		return job, err
	}
	job.Client, job.Cache = o.registry.client(a), a.openCache()
	return job, nil
}

// alone reports whether the bundle is to go onto the one drive that is named.
func (o planOptions) alone(size int64) bool { return len(o.drives) == 1 && size == 0 }

// measure looks at the drives that are named. Of one that is to hold all, it takes the numbers, to say how many like it there
// would be.
func (o planOptions) measure(a *app, job *plan.Options) error {
	for _, dir := range o.drives {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !o.alone(job.Drives.Size) {
			continue // pack makes it
		}
		list, _, err := bundle.List(dir, a.journals())
		if err != nil {
			return err
		}
		if len(list) > 0 {
			a.info("%s holds %s already: plan counts the space that is free beside that; pack resumes an unfinished bundle of the same configuration, and writes a finished one no second time",
				text.Printable(dir), text.Count(len(list), "bundle", "bundles"))
		}
	}
	if !o.alone(job.Drives.Size) {
		return nil
	}
	dir := job.Dirs[0]
	job.Dirs = nil
	room, err := bundle.SpaceOf(dir)
	if err != nil {
		return err
	}
	if room.Unknown {
		a.warn("the file system of %s does not report how much space it has", dir)
		return nil
	}
	job.Drives = places.Drives{Size: room.Free, Cluster: room.Cluster}
	return nil
}

func runPlan(cmd *cobra.Command, a *app, o planOptions) error {
	ctx := cmd.Context()
	job, err := o.job(cmd, a, a.ui(ctx))
	if err != nil {
		return err
	}
	rep, err := plan.Run(ctx, job)
	if err != nil {
		return err
	}
	rep.Media = o.volumes.media.Name
	if err := o.pin.write(a, o.config, rep); err != nil {
		return err
	}
	v := a.view(o.wide)
	err = printReport(a.stdout, o.output, rep, func(w io.Writer) error {
		return v.print(w, func(w io.Writer) error { return printPlan(w, rep, o.images, v) })
	})
	if len(o.drives) == 1 && len(job.Dirs) == 0 && len(rep.Drives) == 1 && rep.Drives[0].Count > 1 {
		a.warn("the bundle does not fit onto %s, where %s is free: pack refuses it; make room there, take a larger drive, or spread it over several: a DIR for each, or --drive-size SIZE", text.Printable(o.drives[0]), bundle.FormatSize(rep.Drives[0].Free))
	}
	if err == nil && len(rep.Gaps) > 0 {
		err = &plannedGapsError{countGaps(rep.Gaps)}
	}
	return errors.Join(err, manifests.ApplicationsKnown(job.Clusters))
}
