// Package unpack pushes a bundle into the mirror and writes the cluster's YAML; render
// writes the YAML alone.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// Options say where a bundle goes, and what is written for the cluster.
type Options struct {
	notice.To
	Parallel int            // blobs, or images, that the mirror is asked for at once
	DryRun   bool           // stop before the first layer
	Site     manifests.Site // the mirror, and what is known of the cluster
	Out      *outdir.Dir    // for the cluster's YAML; nil for none
	More     []Output       // of further clusters that the mirror serves
	Unasked  bool           // render: do not ask the mirror whether it has the images

	// Layouts are those of other tools; if the mirror has images there, it is said, and nothing
	// is pushed.
	Layouts []Layout

	// AsNodes makes a client that logs in by the content of a credentials file, as nodes do; nil:
	// the mirror is not looked at as nodes do.
	AsNodes func(credentials []byte) *transport.Client

	Attachments  Attachments
	Verify       transport.Verify // how closely the mirror is looked at
	TagChildren  bool             // have the images of an index keep a tag each
	Restart      bool             // read again what an interrupted run has read back
	MoveTagsBack bool             // move tags also where a newer bundle of the stream has set them
	Report       *Report          // is filled with what was found and done; nil for none
	AllowShrink  bool             // move catalogs also where packages, channels or versions go
	Receipts     Receipts
	Drives       Drives // brings drives of the bundle that are not here; nil: nobody can
	KeepGoing    bool   // push what is whole without drives that nobody brings; the rest is a *[LostError]
	State        string // a directory of this host, for what an interrupted run has begun and read back; "" for none
}

// Run pushes the bundle, and writes the YAML when the mirror has every image.
func Run(ctx context.Context, r *bundle.Reader, client *transport.Client, o Options) error {
	u, err := begin(ctx, r, client, o)
	if err == nil {
		if err = u.run(ctx); err == nil {
			err = u.refused()
		}
		u.receipts.letGo()
		u.noteDamage(err)
	}
	u.reportTo(o, r)
	return Blamed(r, err)
}

// Render writes the YAML of a bundle that the mirror has.
func Render(ctx context.Context, r *bundle.Reader, client *transport.Client, o Options) error {
	warnGaps(r, o.To)
	u, err := begin(ctx, r, client, o)
	if err == nil && !o.Unasked {
		err = u.complete(ctx)
	}
	if err == nil && !o.Unasked {
		if err = u.withoutSupplied(ctx); err == nil {
			err = u.lacksDrives()
		}
	}
	if err == nil {
		err = u.asNodes(ctx)
	}
	if err == nil {
		err = u.checkSigned(ctx)
	}
	if err == nil {
		err = u.writeCluster(ctx)
	}
	if err == nil {
		err = u.refused()
	}
	if u != nil {
		u.receipts.letGo()
	}
	return Blamed(r, err)
}

// unpacking is one run.
type unpacking struct {
	Options
	r       *bundle.Reader
	bundle  string                    // its ID
	src     oci.Source                // of its manifests
	carries func(oci.Descriptor) bool // whether it has a blob
	client  *transport.Client
	mirror  *transport.Mirror
	behind  *behind     // nil for a bundle that carries all that it needs
	images  []oci.Image // that the mirror is to have
	sets    []set       // for each cluster
	forHub  *manifests.Hub

	away       string // the address that nodes pull from, if this host does not reach it
	nodesPlain *bool  // whether the address that nodes pull from speaks plain HTTP; nil: not asked

	lost           gaps.List // images that need a drive which nobody brings, or that a supplement goes without
	supplementGaps bool      // a supplement goes without some of them

	found *transport.Missing // when the run began
	all   bool               // all was looked at, and is there
	wrote bool               // the YAML

	receiptFiles []string // that were written beside it

	moving    []catalogs.Catalog // what becomes of the catalogs
	shrinking error              // that the dry run ends with

	tags      []changes.Tag                // of the mirror that named other images when the run began
	signed    []*manifests.SignatureReport // of each cluster
	earlierAt map[digest.Digest]lookedAt   // images of earlier releases
	doubts    doubts
	receipts  receipts
	looked    bool        // blobs were read back, or looked at, although --verify did not ask for it
	unsigned  bool        // it was said that the mirror refuses to say whether images are signed
	said      atomic.Bool // that this host does not keep what it should
}

// Blamed makes damage of what can only come from a bundle that is not as it was
// packed: its bytes are authenticated, and yet they are not what they are called.
func Blamed(r *bundle.Reader, err error) error {
	var digest *oci.DigestError
	var unsupported *oci.UnsupportedError
	if errors.As(err, &digest) || errors.As(err, &unsupported) {
		return &bundle.DamageError{Dir: r.Dir(), Faults: []bundle.Fault{{File: "its content", What: "is not what the format allows"}}, Err: err}
	}
	if limit, ok := errors.AsType[*oci.LimitError](err); ok {
		return fmt.Errorf("read the bundle in %s: %w", r.Dir(), limit)
	}
	return err
}

// warnGaps reports what the bundle lacks.
func warnGaps(r *bundle.Reader, to notice.To) {
	said := "not in this bundle: %s, which was not available when it was packed"
	if _, is := r.Supplement(); is {
		said = "neither in this bundle nor in its supplement: %s, which was not available when one of them was packed"
	}
	for _, g := range r.Inventory().Gaps {
		if manifests.IsDemanded(g) {
			continue // another bundle may have brought it: see checkSigned
		}
		named := g.Image.Describe()
		if gaps.AllAttached(g) { // its source is the image, which is there
			named = "the signatures of " + g.Image.Source.String()
		}
		to.Warn(said, named)
	}
}

// run is one run over one bundle, in the order in which things are found out and written.
func (u *unpacking) run(ctx context.Context) error {
	if err := u.lookAtPast(ctx); err != nil {
		return err
	}
	missing, err := u.missing(ctx)
	if err != nil {
		return err
	}
	u.found = missing
	if len(missing.Images)+len(missing.Blobs) > 0 {
		if err := u.mayPush(ctx, missing); err != nil {
			return err
		}
	}
	if u.all = u.DryRun; u.DryRun {
		return u.endDry(ctx, missing)
	}
	if err := u.complement(ctx, missing); err != nil {
		return err
	}
	if err := u.lookAgain(ctx); err != nil {
		return err
	}
	u.all = true
	if len(u.lost.Images) == 0 {
		u.keep(ctx)
	}
	u.tidy()
	u.tell(missing)
	u.tellTags()
	u.tellCatalogs()
	if err := u.lacksDrives(); err != nil {
		return err // no receipt: the mirror does not have the bundle
	}
	return u.finish(ctx)
}

// lookAtPast says what is unpacked, and finds out what earlier runs have left in the mirror.
func (u *unpacking) lookAtPast(ctx context.Context) error {
	inv := u.r.Inventory()
	if err := u.Site.Mirror.CheckCollisions(inv); err != nil {
		return err
	}
	u.Info("bundle %s, %s, to %s", u.r.ID(), counted(inv.Images), u.Site.Mirror)
	warnGaps(u.r, u.To)
	if err := u.readReceipts(ctx); err != nil {
		return err
	}
	u.sayPruning()
	if err := u.lookBehind(ctx); err != nil {
		return err
	}
	return u.wasInterrupted(ctx)
}

// complement pushes what the mirror lacks, once it says that this was begun, and gives images the names that they lack.
func (u *unpacking) complement(ctx context.Context, missing *transport.Missing) error {
	nothing := len(missing.Images)+len(missing.Blobs) == 0
	if !nothing || len(missing.Unnamed) > 0 {
		if err := u.intend(ctx, missing); err != nil {
			return err
		}
	}
	if !nothing {
		if err := u.pushMissing(ctx, missing); err != nil {
			return err
		}
	}
	return u.mirror.Name(ctx, u.src, missing.Unnamed)
}

// lookAgain makes sure of what is in the mirror now.
func (u *unpacking) lookAgain(ctx context.Context) error {
	if u.Verify == transport.VerifyFull {
		if err := u.readBack(ctx); err != nil {
			return err
		}
	}
	if err := u.confirm(ctx); err != nil {
		return err
	}
	if err := u.ended(ctx); err != nil {
		return err
	}
	return u.afterPrune(ctx)
}

// endDry says at the end of a dry run what would be done.
func (u *unpacking) endDry(ctx context.Context, missing *transport.Missing) error {
	if err := u.checkSigned(ctx); err != nil {
		return err
	}
	if len(missing.Images)+len(missing.Blobs) == 0 {
		u.Info("nothing to do: %s", u.inMirror(u.images))
		u.tellUnnamed(missing)
		return u.lacksDrives()
	}
	u.Info("the mirror accepts everything: %s", toPush(missing))
	u.tellUnnamed(missing)
	u.tellCatalogs()
	return errors.Join(u.shrinking, u.lacksDrives())
}

// mayPush finds out what stands against a push.
func (u *unpacking) mayPush(ctx context.Context, missing *transport.Missing) error {
	if err := u.otherLayout(ctx, missing.Images); err != nil {
		return err
	}
	if err := u.compareCatalogs(ctx); err != nil {
		return err
	}
	return u.probe(ctx, missing)
}

// pushMissing pushes what the mirror lacks.
func (u *unpacking) pushMissing(ctx context.Context, missing *transport.Missing) error {
	if err := u.begun(ctx); err != nil {
		return err
	}
	u.Info("%s", toPush(missing))
	if err := u.push(ctx, missing.Blobs); err != nil {
		return err
	}
	if err := u.mended(ctx, missing.Blobs); err != nil {
		return err
	}
	return u.mirror.Manifests(ctx, u.src, missing.Images)
}

// missing finds out what the mirror lacks of what the bundle carries.
func (u *unpacking) missing(ctx context.Context) (*transport.Missing, error) {
	missing, err := u.findMissing(ctx)
	if err == nil && u.KeepGoing {
		missing, err = u.withoutLost(ctx, missing)
	}
	if err == nil {
		err = u.withoutSupplied(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(missing.Images)+len(missing.Blobs) > 0 {
		u.tellMissing(missing)
	}
	u.tellMoves()
	return missing, nil
}

func (u *unpacking) findMissing(ctx context.Context) (*transport.Missing, error) {
	missing, err := u.mirror.Missing(ctx, u.src, &oci.Inventory{Images: u.images})
	if err != nil {
		return nil, err
	}
	if err := u.judge(ctx, missing); err != nil {
		return nil, err
	}
	if missing.Blobs, err = u.carried(ctx, missing.Blobs); err != nil {
		return nil, err
	}
	return missing, u.readSuspects(ctx, missing)
}

// probe finds out whether the mirror takes what it lacks.
func (u *unpacking) probe(ctx context.Context, missing *transport.Missing) error {
	if err := u.mirror.ProbeImages(ctx, u.src, u.images, missing, u.receiptRepos()...); err != nil {
		return u.blameReceipts(err)
	}
	if err := u.unsaid(u.mirror.ProbeSignatures(ctx, u.images)); err != nil {
		return err
	}
	return u.probeAttachments(ctx, missing.Images)
}

// carried leaves out foreign layers that the bundle does not have. Anything else
// that it lacks is its fault, and found before the first push.
func (u *unpacking) carried(ctx context.Context, list []transport.Delivery) ([]transport.Delivery, error) {
	var blobs, behind []transport.Delivery
	var faults []bundle.Fault
	for _, d := range list {
		switch {
		case u.r.Has(d.Blob):
			blobs = append(blobs, d)
		case u.leftOut(d.Blob.Digest):
			behind = append(behind, d)
		case oci.IsForeign(d.Blob.MediaType):
			u.Info("not pushed: foreign layer %s, which the bundle does not carry", d.Blob.Digest)
		default:
			faults = append(faults, bundle.Fault{File: d.Blob.Digest.String(), What: "is needed and not in it"})
		}
	}
	if len(faults) > 0 {
		return nil, &bundle.DamageError{Dir: u.r.Dir(), Faults: faults}
	}
	behind, err := u.blobsBehind(ctx, behind)
	return append(blobs, behind...), err
}

func total(list []transport.Delivery) (n int64) {
	for _, d := range list {
		n += d.Blob.Size
	}
	return n
}

// toPush says what the mirror lacks.
func toPush(missing *transport.Missing) string {
	if len(missing.Blobs) == 0 {
		return "no blob to push, only manifests or tags of " + text.Count(len(missing.Images), "image", "images")
	}
	return fmt.Sprintf("%s to push, %s", text.Count(len(missing.Blobs), "blob", "blobs"), bundle.FormatSize(total(missing.Blobs)))
}
