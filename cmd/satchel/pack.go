package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

type packOptions struct {
	config         string
	to             recipientFlags
	segmentSize    int64
	lanes          int
	parallelImages int
	parallelLayers int
	restart        bool
	noVerify       bool
	keepGoing      bool
	gaps           string
	only           string
	mirror         string
	nested         int
	extra          manifests.Extra
	registry       registryFlags
}

func newPack(a *app) *cobra.Command {
	o := packOptions{segmentSize: bundle.DefaultSegmentSize}
	cmd := &cobra.Command{
		Use:   "pack -c FILE -r RECIPIENT DIR",
		Short: "Write an encrypted bundle of images to a drive",
		Long: `pack fetches the images that an ImageSetConfiguration names and writes them to
DIR as an encrypted bundle: into DIR itself, or, when DIR is the root of a mounted
drive, into a directory satchel-<id> there. Tags are pinned to digests once, at
the start. Interrupted in any way, the same command goes on where it stopped,
inside a layer too. At the end every byte is read back from the drive, and the
fingerprint is printed on stdout: it goes on paper, for unpack --expect.`,
		Example: "  satchel pack -c imageset.yaml -r age1... /run/media/me/drive",
		Args:    exactly(1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPack(cmd.Context(), a, o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "ImageSetConfiguration `FILE`, - for standard input")
	addRecipientFlags(f, &o.to, "")
	f.Var(sizeValue{&o.segmentSize}, "segment-size", "largest file on the drive, such as 128MiB; at least 1MiB, at most 4GiB - 1")
	f.IntVar(&o.lanes, "lanes", bundle.DefaultLanes, "how many large blobs are written at once; each takes 13 MiB of memory")
	f.IntVar(&o.parallelImages, "parallel-images", defaultParallel, "how many images' manifests are read at once")
	f.IntVar(&o.parallelLayers, "parallel-layers", defaultParallel, "how many blobs are fetched at once; those beyond --lanes are small ones")
	f.BoolVar(&o.restart, "restart", false, "delete the unfinished bundle in DIR and begin anew")
	f.BoolVar(&o.keepGoing, "keep-going", false, "finish without images that cannot be had; list them and exit with 3")
	f.StringVar(&o.gaps, "gaps", "", "`FILE` that --keep-going writes its list to (default: beside the bundle's journal)")
	f.StringVar(&o.only, "only", "", "carry only the images in `FILE`, a list that --keep-going wrote")
	f.StringVar(&o.mirror, "to", "", "`MIRROR`, HOST[:PORT][/NAMESPACE], that the cluster's YAML in the bundle is for; nothing is sent to it (default: the placeholder "+nowhere+")")
	f.IntVar(&o.nested, "max-nested-paths", 0, "with --to: join what goes beyond `N` path components by hyphens; 0 is no limit")
	f.BoolVar(&o.noVerify, "no-verify", false, "do not read the bundle back at the end")
	addExtraFlags(f, &o.extra)
	addRegistryFlags(f, &o.registry, "src")
	return cmd
}

// readConfig reads a file, or standard input for "-".
func readConfig(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

func checkArchiveSize(cfg *manifests.Config, name string, segmentSize int64) error {
	if limit := cfg.ArchiveSize << 30; limit > 0 && segmentSize > limit {
		return usage(fmt.Errorf("--segment-size is above the archiveSize of %d GiB in %s", cfg.ArchiveSize, name), "leave one of the two out")
	}
	return nil
}

// loadSet reads the configuration that command carries out.
func loadSet(command, name string, extra manifests.Extra) (*manifests.Config, error) {
	if name == "" {
		return nil, usage(errors.New(command+" needs -c FILE"), "name an ImageSetConfiguration")
	}
	data, err := readConfig(name)
	if err != nil {
		return nil, usage(fmt.Errorf("read configuration: %w", err), "")
	}
	cfg, err := manifests.Load(manifests.Request{Name: name, Data: data, Extra: extra, Getenv: os.Getenv})
	if input := (*manifests.InputError)(nil); errors.As(err, &input) {
		return nil, usage(err, input.Hint())
	}
	return cfg, err
}

func (o packOptions) job(ui *bundle.UI) (*manifests.Config, bundle.Job, error) {
	var job bundle.Job
	cfg, err := loadSet("pack", o.config, o.extra)
	if err != nil {
		return nil, job, err
	}
	if err := noSecrets(o.to.files); err != nil {
		return nil, job, err
	}
	to, err := o.to.parse(ui)
	if err != nil {
		return nil, job, err
	}
	if len(to) == 0 {
		return nil, job, usage(errors.New("pack needs a recipient"), "give recipients with -r age1... or -R FILE (satchel keygen makes one), or --passphrase")
	}
	if o.parallelImages < 1 || o.parallelLayers < 1 {
		return nil, job, usage(errors.New("--parallel-images and --parallel-layers must be at least 1"), "")
	}
	if err := checkArchiveSize(cfg, o.config, o.segmentSize); err != nil {
		return nil, job, err
	}
	if err := checkGapsFile(o.gaps); err != nil {
		return nil, job, err
	}
	job = bundle.Job{Config: cfg.Digest(), Recipients: to, SegmentSize: o.segmentSize, Lanes: o.lanes}
	return cfg, job, usage(job.Check(), "see satchel pack --help")
}

// where is the mirror that the cluster's YAML in the bundle is for.
func (o packOptions) where() (oci.Mirror, error) {
	if o.mirror == "" {
		if o.nested != 0 {
			return oci.Mirror{}, usage(errors.New("--max-nested-paths says something of a mirror, and there is no --to"), "add --to HOST[:PORT][/NAMESPACE], or leave it to unpack")
		}
		return oci.Mirror{Host: nowhere}, nil
	}
	return unpackOptions{to: o.mirror, maxNestedPaths: o.nested, parallelLayers: 1}.place("pack")
}

func runPack(ctx context.Context, a *app, o packOptions, dir string) error {
	place, err := o.where()
	if err != nil {
		return err
	}
	cfg, job, err := o.job(a.ui(ctx))
	if err != nil {
		return err
	}
	state, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return err
	}
	var only *gapList
	if o.only != "" {
		if only, err = readGaps(o.only); err != nil {
			return usage(err, "--only takes a list that pack --keep-going wrote")
		}
		job.Config = oci.Digest([]byte(job.Config.String() + only.digest().String()))
	}
	if o.mirror != "" { // another mirror makes another bundle
		job.Config = oci.Digest(fmt.Appendf(nil, "%s %s %d", job.Config, place, o.nested))
	}
	p := &packing{opts: o, job: job, dir: dir, state: state, preparing: preparing{
		app: a, config: o.config, cfg: cfg, client: o.registry.client(a), cache: a.openCache(),
		only: only, onlyFile: o.only, keepGoing: o.keepGoing, parallelImages: o.parallelImages, parallelLayers: o.parallelLayers,
		place: place, foreign: map[digest.Digest]bool{},
	}}
	defer p.close()
	err = p.run(ctx)
	var done *bundle.SealedError
	if errors.As(err, &done) {
		return p.again(ctx, done)
	}
	return err
}

// again answers for a bundle that is finished already. One whose closing
// verification was interrupted, or failed, is verified now.
func (p *packing) again(ctx context.Context, done *bundle.SealedError) error {
	p.info("%s holds this bundle (%s) already, finished", done.Dir, done.Bundle)
	if err := p.recall(done.Gaps); err != nil {
		return err
	}
	p.dropMade(done.Bundle) // a kill may have come before
	if done.Verified || p.opts.noVerify {
		p.info("nothing to do")
	} else if err := p.release(ctx, done.Dir, done.Bundle); err != nil {
		return err
	}
	return errors.Join(p.report(done.Fingerprint), p.reportGaps(done.Bundle))
}

// release verifies what was written and says when the drive may go.
func (p *packing) release(ctx context.Context, dir, id string) error {
	if !p.opts.noVerify {
		fp, err := p.verify(ctx, dir)
		if err == nil {
			err = bundle.MarkVerified(p.state, id, fp)
		}
		if err != nil {
			return err
		}
	}
	if err := bundle.Release(dir); err != nil {
		return err
	}
	p.info("packed into %s", dir)
	p.info("everything is on the drive: unmount it, then it is safe to remove")
	return nil
}

// packing is one run of pack.
type packing struct {
	preparing
	opts  packOptions
	job   bundle.Job
	dir   string
	state string

	w   *bundle.Writer
	bar *progress // of the check of a drive that was away
}

func (p *packing) run(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	dir, id := p.w.Dir(), p.w.ID()
	fp, err := p.write(ctx)
	if err = errors.Join(err, p.w.Close()); err != nil {
		return err
	}
	p.dropMade(id)
	if err := p.release(ctx, dir, id); err != nil {
		return err
	}
	return errors.Join(p.report(fp), p.reportGaps(id))
}

func (p *packing) report(fp bundle.Fingerprint) error {
	p.info("fingerprint, for the paper slip: %s", fp.Grouped())
	_, err := fmt.Fprintln(p.stdout, fp)
	return err
}

// verify reads the bundle back from the drive.
func (p *packing) verify(ctx context.Context, dir string) (bundle.Fingerprint, error) {
	total, err := bundle.SealedSize(dir)
	if err != nil {
		return "", err
	}
	bar := p.progress("verifying", 0, total)
	defer bar.end()
	r, err := bundle.Verify(ctx, dir, bundle.VerifyOptions{Cold: true, Progress: bar.add})
	if err != nil {
		return "", fmt.Errorf("verify what was written: %w", err)
	}
	p.info("verified: %d files, %s, all as they were written", r.Files, bundle.FormatSize(r.Bytes))
	return r.Fingerprint, nil
}
