package pack

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// WithoutError says that a drive was finished without content that an image needs.
type WithoutError struct {
	Label string // of the drive; "" in a bundle of one drive
	Blob  digest.Digest
}

func (e *WithoutError) Error() string {
	if e.Label == "" {
		return fmt.Sprintf("the bundle does not have its blob %s", e.Blob)
	}
	return fmt.Sprintf("drive %s was finished without its blob %s, in a run with --keep-going", e.Label, e.Blob)
}

// Hint says what to do now.
func (e *WithoutError) Hint() string {
	return "run the same command with --keep-going: the image is then listed as missing, and pack --only carries it later"
}

// Permanent is true: nothing is written to a finished drive any more.
func (e *WithoutError) Permanent() bool { return true }

// dropWithout has images leave the bundle that need what a finished drive does not have: an earlier run
// went on without it.
func (p *packing) dropWithout(ctx context.Context) error {
	for {
		drives := p.w.Drives()
		lost, err := p.lacking(ctx, func(n oci.Node) bool { return drives[p.w.DriveOf(n.Descriptor)-1].Finished })
		if lost == nil || err != nil {
			return err
		}
		if err := p.Tolerate(ctx, lost); err != nil {
			return err
		}
	}
}

// checkWhole finds out, before the seal, that the bundle has all that its images need.
func (p *packing) checkWhole(ctx context.Context) error {
	lost, err := p.lacking(ctx, func(oci.Node) bool { return true })
	return errors.Join(lost, err)
}

// lacking joins the gaps that blobs leave which are not in the bundle.
func (p *packing) lacking(ctx context.Context, of func(oci.Node) bool) (lost, err error) {
	drives := p.w.Drives()
	for _, n := range p.Carried().Blobs {
		there, err := p.w.Has(ctx, n.Descriptor)
		if err != nil {
			return nil, err
		}
		if !there && of(n) {
			lost = errors.Join(lost, p.Lost(ctx, n, &WithoutError{drives[p.w.DriveOf(n.Descriptor)-1].Label, n.Descriptor.Digest}))
		}
	}
	return lost, nil
}
