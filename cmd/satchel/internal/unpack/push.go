package unpack

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Drives brings drives of a bundle on several.
type Drives interface {
	// Bring waits until one of these drives is here and the reader has it. No other is needed
	// until then. The error is a *[bundle.AwayError] if nobody can be asked for it.
	Bring(ctx context.Context, need []bundle.DriveLabel) error
	// Lost gives those of the drives, none of which is here, that nobody will bring.
	Lost(ctx context.Context, away []bundle.DriveLabel) ([]bundle.DriveLabel, error)
}

// push pushes the deliveries, those first whose drive is here, and asks for the other drives.
func (u *unpacking) push(ctx context.Context, list []transport.Delivery) error {
	if err := u.lacks(u.unfetched(list)); err != nil {
		return err
	}
	all := total(list)
	for len(list) > 0 {
		here, away := u.atHand(list)
		if len(here) == 0 {
			if err := u.bring(ctx, away); err != nil {
				return err
			}
			continue
		}
		bar := u.Progress("pushing", all-total(list), all)
		err := u.pushHere(ctx, here, bar)
		bar.End() // before anybody is asked
		if err == nil {
			list = away
			continue
		}
		if list, err = u.afterLoss(ctx, list, err); err != nil {
			return err
		}
	}
	return nil
}

// pushHere pushes deliveries in the order in which they lie on their drives.
func (u *unpacking) pushHere(ctx context.Context, list []transport.Delivery, bar notice.Progress) error {
	byDigest := make(map[digest.Digest]transport.Delivery, len(list))
	blobs := make([]oci.Descriptor, 0, len(list))
	for _, d := range list {
		byDigest[d.Blob.Digest] = d
		blobs = append(blobs, d.Blob)
	}
	return u.mirror.Blobs(ctx, notice.Counted(bar, u.src), func(yield func(transport.Delivery) bool) {
		for d := range u.r.Order(blobs) {
			if !yield(byDigest[d.Digest]) {
				return
			}
		}
	})
}

// atHand takes apart what can be pushed now and what waits for its drive.
func (u *unpacking) atHand(list []transport.Delivery) (here, away []transport.Delivery) {
	for _, d := range list {
		if u.r.Here(d.Blob) {
			here = append(here, d)
		} else {
			away = append(away, d)
		}
	}
	return here, away
}

// bring has one of the drives brought that the deliveries wait for.
func (u *unpacking) bring(ctx context.Context, away []transport.Delivery) error {
	var blobs []oci.Descriptor
	for _, d := range away {
		blobs = append(blobs, d.Blob)
	}
	return u.bringFor(ctx, blobs)
}

func (u *unpacking) bringFor(ctx context.Context, blobs []oci.Descriptor) error {
	var need []bundle.DriveLabel
	for _, d := range u.r.Drives() {
		if slices.ContainsFunc(blobs, func(b oci.Descriptor) bool { return u.r.DriveOf(b) == d.DriveLabel }) {
			need = append(need, d.DriveLabel)
		}
	}
	if u.Drives == nil {
		return &bundle.AwayError{Drives: need}
	}
	return u.Drives.Bring(ctx, need)
}

// afterLoss gives what is still to be pushed after a drive has gone away in the middle, if
// somebody can bring it back; else the error.
func (u *unpacking) afterLoss(ctx context.Context, list []transport.Delivery, err error) ([]transport.Delivery, error) {
	var drive *bundle.DriveError
	if u.Drives == nil || len(u.r.Drives()) == 0 || !errors.As(err, &drive) || ctx.Err() != nil {
		return nil, err
	}
	lost, lerr := u.r.Lost(ctx)
	if len(lost) == 0 || lerr != nil {
		return nil, errors.Join(err, lerr)
	}
	for _, d := range lost {
		u.Warn("%s was lost: %v", d, err)
	}
	for _, image := range u.images { // the drive with the manifests may be the one
		if !u.r.Here(image.Root) {
			if err := u.bringFor(ctx, []oci.Descriptor{image.Root}); err != nil {
				return nil, err
			}
		}
	}
	missing, err := u.mirror.Missing(ctx, u.src, &oci.Inventory{Images: u.images})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(missing.Blobs, func(d transport.Delivery) bool {
		return !slices.ContainsFunc(list, func(o transport.Delivery) bool { return o.Blob.Digest == d.Blob.Digest })
	}), nil
}

// asking reads what a bundle carries, and asks for the drive that has it.
type asking struct{ u *unpacking }

// Open has the drive of d brought, if it is not here.
func (a asking) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	for a.u.r != nil && !a.u.r.Here(d) {
		if err := a.u.bringFor(ctx, []oci.Descriptor{d}); err != nil {
			return nil, err
		}
	}
	return a.u.src.Open(ctx, d, off)
}
